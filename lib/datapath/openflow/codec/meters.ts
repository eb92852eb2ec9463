/**
 * Meters and their bands on the wire (OpenFlow 1.3.5 section 7.3.4.4).
 */
import { assert } from '../../../assert.ts';
import type { Meter, MeterBand } from './flow.ts';
import { protocolError, type WireReader, type WireWriter } from './wire.ts';

/** Commands of a meter message. */
export const meterCommand = { add: 0, modify: 1, delete: 2 } as const;

/** Every meter, in a delete or a request. */
export const allMeters = 0xffff_ffff;

const meterFlag = { kilobits: 1, packets: 2, burst: 4, statistics: 8 } as const;
const bandType = { drop: 1, dscpRemark: 2 } as const;
const bandBytes = 16;

/** The flags of a meter. */
export function meterFlags(meter: Meter): number {
  return (
    meterFlag[meter.unit] |
    (meter.burst ? meterFlag.burst : 0) |
    (meter.statistics ? meterFlag.statistics : 0)
  );
}

/** Writes bands one after the other. */
export function writeBands(writer: WireWriter, bands: readonly MeterBand[]): void {
  for (const band of bands) {
    if (band.kind === 'opaque') {
      assert(band.bytes.length >= 12, 'no whole band');
      writer.bytes(band.bytes);
      continue;
    }
    writer.u16(bandType[band.kind]);
    writer.u16(bandBytes);
    writer.u32(band.rate);
    writer.u32(band.burst);
    writer.u8(band.kind === 'dscpRemark' ? band.precedenceLevel : 0);
    writer.zeros(3);
  }
}

/** Reads a meter after its command or length, to the end of a window. @throws OVS_PROTOCOL */
export function readMeter(reader: WireReader): Meter {
  const flags = reader.u16();
  const id = reader.u32();
  const kilobits = (flags & meterFlag.kilobits) !== 0;
  if (kilobits === ((flags & meterFlag.packets) !== 0) || flags > 15) {
    throw protocolError(`a meter with the flags ${flags}`);
  }
  const bands: MeterBand[] = [];
  while (reader.left > 0) bands.push(readBand(reader));
  return {
    id,
    unit: kilobits ? 'kilobits' : 'packets',
    burst: (flags & meterFlag.burst) !== 0,
    statistics: (flags & meterFlag.statistics) !== 0,
    bands,
  };
}

function readBand(reader: WireReader): MeterBand {
  const start = reader.position;
  const type = reader.u16();
  const length = reader.u16();
  if (length < 12) throw protocolError(`a meter band of ${length} bytes`);
  const body = reader.window(length - 4);
  if (length === bandBytes && (type === bandType.drop || type === bandType.dscpRemark)) {
    const [rate, burst, precedenceLevel] = [body.u32(), body.u32(), body.u8()];
    if (body.zeros(3)) {
      if (type === bandType.dscpRemark) {
        return { kind: 'dscpRemark', rate, burst, precedenceLevel };
      }
      if (precedenceLevel === 0) return { kind: 'drop', rate, burst };
    }
  }
  return { kind: 'opaque', bytes: reader.since(start) };
}
