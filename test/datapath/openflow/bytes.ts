/** Bytes in tests: hexadecimal text both ways, and a message written alone. */
import { writeMessage } from '../../../lib/datapath/openflow/codec/encode.ts';
import type { Request } from '../../../lib/datapath/openflow/codec/messages.ts';
import { WireWriter } from '../../../lib/datapath/openflow/codec/wire.ts';

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.replace(/\s/g, '').match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** One message as bytes. */
export function encoded(message: Request, xid = 2): Uint8Array {
  const writer = new WireWriter(16);
  writeMessage(writer, message, xid);
  return writer.copy();
}
