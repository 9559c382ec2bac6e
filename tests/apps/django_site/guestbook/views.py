from django.shortcuts import redirect, render

from .models import Entry


def index(request):
    if request.method == "POST":
        Entry.objects.create(
            name=request.POST["name"], message=request.POST["message"]
        )
        return redirect("index")
    return render(request, "guestbook/index.html", {"entries": Entry.objects.all()})
