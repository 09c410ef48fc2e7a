const token = "YOUR_API_TOKEN"; // ours; fileInput is a page's <input type="file">, see browser.mjs

const formData = new FormData();
formData.append("image", fileInput.files[0]);
formData.append("scale_factor", "2");
const upload = await fetch("https://www.upscale-media.ai/api/images/upscale", {
  method: "POST",
  headers: { "Authorization": `Bearer ${token}` },
  body: formData
});
const imageId = (await upload.json()).data.id;

// Poll for completion
const poll = async (id) => {
  while (true) {
    const res = await fetch(`https://www.upscale-media.ai/api/images/${id}`, {
      headers: { "Authorization": `Bearer ${token}` }
    });
    const { data } = await res.json();
    console.log(`Status: ${data.status}`);
    if (data.status === "completed" || data.status === "failed") {
      return data;
    }
    await new Promise(r => setTimeout(r, 3000));
  }
};
const image = await poll(imageId);

// Get the download URL
const dl = await fetch(`https://www.upscale-media.ai/api/images/${imageId}/download`, {
  headers: { "Authorization": `Bearer ${token}` }
});
const { data: dlData } = await dl.json();
console.log(dlData.download_url);
