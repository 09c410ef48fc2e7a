/** The image formats of Loupe. Generated from imagefile.formats by `make client`: do not edit. */
export interface FileFormat {
  title: string;
  mediaType: string;
  suffixes: readonly string[];
  /** The value of `output_format`. Null if a person cannot choose it. */
  choice: string | null;
  isRead: boolean;
  /** Whether all common browsers show such files. */
  isForBrowsers: boolean;
}

export const FORMATS: readonly FileFormat[] = [
  {"title": "JPEG", "mediaType": "image/jpeg", "suffixes": [".jpg", ".jpeg", ".jfif"], "choice": "jpg", "isRead": true, "isForBrowsers": true},
  {"title": "PNG", "mediaType": "image/png", "suffixes": [".png"], "choice": "png", "isRead": true, "isForBrowsers": true},
  {"title": "WebP", "mediaType": "image/webp", "suffixes": [".webp"], "choice": "webp", "isRead": true, "isForBrowsers": true},
  {"title": "BMP", "mediaType": "image/bmp", "suffixes": [".bmp"], "choice": null, "isRead": true, "isForBrowsers": true},
  {"title": "TIFF", "mediaType": "image/tiff", "suffixes": [".tiff", ".tif"], "choice": "tiff", "isRead": true, "isForBrowsers": false},
  {"title": "GIF", "mediaType": "image/gif", "suffixes": [".gif"], "choice": null, "isRead": true, "isForBrowsers": true},
  {"title": "AVIF", "mediaType": "image/avif", "suffixes": [".avif"], "choice": "avif", "isRead": true, "isForBrowsers": true},
  {"title": "JPEG XL", "mediaType": "image/jxl", "suffixes": [".jxl"], "choice": "jxl", "isRead": true, "isForBrowsers": false},
  {"title": "HEIC", "mediaType": "image/heic", "suffixes": [".heic", ".heif", ".hif"], "choice": null, "isRead": true, "isForBrowsers": false},
];
