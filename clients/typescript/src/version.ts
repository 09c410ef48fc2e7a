/** The version of this package, which is that of the Loupe that it was released with. */
export const VERSION = "0.1.0";
