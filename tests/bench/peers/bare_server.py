"""A server such as people write in an afternoon: FastAPI and onnxruntime in one process.

`python bare_server.py GRAPH PORT` starts it.
"""

import io
import sys
from typing import Any

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingImports]  it is in the peers' environment
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from PIL import Image

app = FastAPI()
session: Any = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])


@app.post("/upscale")
async def upscale(request: Request) -> Response:
    return Response(await run_in_threadpool(enlarge, await request.body()), media_type="image/jpeg")


def enlarge(body: bytes) -> bytes:
    pixels = np.asarray(Image.open(io.BytesIO(body)).convert("RGB"))
    tile = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    large = session.run(["UPSCALED"], {"IMAGE": tile})[0][0].transpose(1, 2, 0)
    out = io.BytesIO()
    Image.fromarray(large).save(out, "JPEG", quality=95)
    return out.getvalue()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
