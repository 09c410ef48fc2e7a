curl -X POST https://www.upscale-media.ai/api/images/upscale \
  -H "Authorization: Bearer YOUR_API_TOKEN" \
  -F "image=@photo.jpg" \
  -F "scale_factor=2"
# Returns 202 with image ID in data.id

read -r IMAGE_ID  # ours: the reference leaves it to its reader to take data.id from the answer

# Poll for completion
while true; do
  STATUS=$(curl -s https://www.upscale-media.ai/api/images/$IMAGE_ID \
    -H "Authorization: Bearer YOUR_API_TOKEN" \
    | jq -r '.data.status')
  echo "Status: $STATUS"
  [ "$STATUS" = "completed" ] || [ "$STATUS" = "failed" ] && break
  sleep 3
done

# Get the download URL
curl -s https://www.upscale-media.ai/api/images/$IMAGE_ID/download \
  -H "Authorization: Bearer YOUR_API_TOKEN" \
  | jq -r '.data.download_url'
