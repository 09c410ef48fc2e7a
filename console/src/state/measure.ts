/** The size of a picture in pixels, turned as it is shown. */
export interface Size {
  width: number;
  height: number;
}

/** Returns the size of the picture, or null if the browser cannot read it. */
export function measure(address: string): Promise<Size | null> {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve({ width: image.naturalWidth, height: image.naturalHeight });
    image.onerror = () => resolve(null);
    image.src = address;
  });
}
