/** Upscales a picture, saves the result, and prints the class of the error, or null. */
import { Loupe, LoupeError } from "loupe-client";

const { PICTURE, RESULT } = process.env;
const ended = { class: null };
try {
  const loupe = new Loupe();
  if (/^https?:/.test(PICTURE)) {
    const batch = await loupe.batches.create([{ imageUrl: PICTURE }], { scale: 2 });
    const [image] = (await loupe.batches.wait(batch.id)).images;
    await loupe.images.save(image.id, RESULT);
  } else {
    await (await loupe.upscale(PICTURE, { scale: 2 })).save(RESULT);
  }
} catch (error) {
  if (!(error instanceof LoupeError)) throw error;
  Object.assign(ended, { class: error.name, status: error.status, code: error.code });
}
console.log(JSON.stringify(ended));
