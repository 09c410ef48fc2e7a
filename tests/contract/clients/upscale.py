# ruff: noqa: E402, I001, PTH123, S113, SIM115
# fmt: off
# pyright: basic
import requests  # ours, as the next line
token = "YOUR_API_TOKEN"

response = requests.post(
    "https://www.upscale-media.ai/api/images/upscale",
    headers={"Authorization": f"Bearer {token}"},
    files={"image": open("photo.jpg", "rb")},
    data={"scale_factor": 2}
)
image_id = response.json()["data"]["id"]

import time

# Poll for completion
while True:
    result = requests.get(
        f"https://www.upscale-media.ai/api/images/{image_id}",
        headers={"Authorization": f"Bearer {token}"}
    ).json()
    status = result["data"]["status"]
    print(f"Status: {status}")
    if status in ("completed", "failed"):
        break
    time.sleep(3)

# Get the download URL
download = requests.get(
    f"https://www.upscale-media.ai/api/images/{image_id}/download",
    headers={"Authorization": f"Bearer {token}"}
).json()
print(download["data"]["download_url"])
