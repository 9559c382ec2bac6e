"""my-site: a page, and whether the site is well."""

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

app = FastAPI(title="my-site")


@app.get("/")
async def index():
    return {"message": "Hello from my-site!"}


@app.get("/health", response_class=PlainTextResponse)
async def health():
    return "ok\n"
