/**
 * Ports as a switch describes them (OpenFlow 1.3.5 section 7.2.1).
 */
import { reservedPort } from './flow.ts';
import type { PortDescription } from './messages.ts';
import { protocolError, type WireReader } from './wire.ts';

/** Reads a port (OpenFlow 1.3.5 section 7.2.1): 64 bytes. @throws OVS_PROTOCOL */
export function readPort(reader: WireReader): PortDescription {
  const port = reader.u32();
  reader.skip(4);
  const mac = reader.unsigned(6);
  reader.skip(2);
  const name = reader.text(16);
  const configuration = reader.u32();
  const state = reader.u32();
  reader.skip(16);
  const [currentKbps, maximumKbps] = [reader.u32(), reader.u32()];
  if (port === reservedPort.any) throw protocolError('a port that is none');
  return { port, mac, name, configuration, state, currentKbps, maximumKbps };
}
