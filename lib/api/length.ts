/** How long an answer is, in its head. */

/** The header that says it; without, Bun's HTTP server makes pieces of a line of JSON. */
export const lengthOf = (text: string): { readonly 'content-length': string } => ({
  'content-length': String(Buffer.byteLength(text)),
});
