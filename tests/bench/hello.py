"""A minimal FastAPI server to compare with: a route that says hello, and one that discards an upload."""

import uvicorn
from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@app.post("/discard")
async def discard(request: Request) -> dict[str, int]:
    count = 0
    async for piece in request.stream():
        count += len(piece)
    return {"bytes": count}


def serve(port: int) -> None:
    uvicorn.run(
        app, host="127.0.0.1", port=port, http="httptools", loop="uvloop", access_log=False, log_level="error"
    )
