// Stands in for a page's <input type="file"> in which the user has chosen photo.jpg.
import { File } from "node:buffer";
import { readFileSync } from "node:fs";

globalThis.fileInput = { files: [new File([readFileSync("photo.jpg")], "photo.jpg", { type: "image/jpeg" })] };
