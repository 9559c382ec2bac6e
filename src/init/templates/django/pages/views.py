from django.http import HttpResponse
from django.shortcuts import render


def index(request):
    return render(request, "pages/index.html")


def health(request):
    return HttpResponse("ok\n", content_type="text/plain")
