/** The body of a request as bytes, bounded while it arrives. */

/**
 * The bytes of a body; undefined when there are more than `bytesMax`, and then what is beyond is left unread.
 * Rejects when the connection ends within the body.
 */
export async function requestBytes(
  request: Request,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  const { headers } = request;
  const announced = headers.get('content-length');
  if (Number(announced ?? 0) > bytesMax) return undefined;
  // where a length is announced, the body ends there (RFC 9112 6.3): no stream is needed to count it
  if (announced !== null && !headers.has('transfer-encoding')) {
    const whole = new Uint8Array(await request.arrayBuffer());
    return whole.length > bytesMax ? undefined : whole;
  }
  return request.body === null ? new Uint8Array() : readBounded(request.body, bytesMax);
}

async function readBounded(
  body: ReadableStream<Uint8Array>,
  bytesMax: number,
): Promise<Uint8Array | undefined> {
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return joined(parts, length);
      length += value.length;
      if (length > bytesMax) return undefined;
      parts.push(value);
    }
  } finally {
    // whoever serves the connection reads or ends what is left
    reader.releaseLock();
  }
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
