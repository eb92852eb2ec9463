/**
 * Changes of flows and filters of flows, written (OpenFlow 1.3.5 sections 7.3.4.1 and 7.3.5.2).
 */
import { reservedPort, type Flow } from './flow.ts';
import { writeInstructions } from './instructions.ts';
import { writeMatch } from './match.ts';
import { allTables, type FlowFilter, type FlowMod } from './messages.ts';
import type { WireWriter } from './wire.ts';

/** Flags of a flow. */
export const flowFlag = { sendRemoved: 1 } as const;

/** Commands of a flow message. */
export const flowCommand = {
  add: 0,
  modify: 1,
  modifyStrict: 2,
  delete: 3,
  deleteStrict: 4,
} as const;

const noBuffer = 0xffff_ffff;
const anyGroup = 0xffff_ffff;
const defaultPriority = 0x8000;

/** Writes the body of a flow message. */
export function writeFlowMod(writer: WireWriter, message: FlowMod): void {
  const { command } = message;
  if (command === 'delete' || command === 'deleteStrict') {
    const { filter } = message;
    writer.u64(filter.cookie?.value ?? 0n);
    writer.u64(filter.cookie?.mask ?? 0n);
    writer.u8(filter.table ?? allTables);
    writer.u8(flowCommand[command]);
    writer.zeros(4);
    writer.u16(command === 'delete' ? defaultPriority : message.priority);
    writer.u32(noBuffer);
    writer.u32(filter.outPort ?? reservedPort.any);
    writer.u32(filter.outGroup ?? anyGroup);
    writer.zeros(4);
    return writeMatch(writer, filter.match ?? {});
  }
  writeChange(writer, message);
}

function writeChange(
  writer: WireWriter,
  message: Exclude<FlowMod, { readonly command: 'delete' | 'deleteStrict' }>,
): void {
  const { command, flow } = message;
  const cookie = command === 'add' ? undefined : message.cookie;
  // a modify with a cookie mask keeps the cookie that it looks for
  writer.u64(cookie?.value ?? flow.cookie);
  writer.u64(cookie?.mask ?? 0n);
  writer.u8(flow.table);
  writer.u8(flowCommand[command]);
  writer.u16(flow.idleTimeoutS ?? 0);
  writer.u16(flow.hardTimeoutS ?? 0);
  writer.u16(flow.priority);
  writer.u32(noBuffer);
  writer.u32(reservedPort.any);
  writer.u32(anyGroup);
  writer.u16(flagsOf(flow));
  writer.zeros(2);
  writeMatch(writer, flow.match);
  writeInstructions(writer, flow);
}

function flagsOf(flow: Flow): number {
  return (flow.otherFlags ?? 0) | (flow.sendRemoved === true ? flowFlag.sendRemoved : 0);
}

/** Writes the body of a request for flows. */
export function writeFlowFilter(writer: WireWriter, filter: FlowFilter): void {
  writer.u8(filter.table ?? allTables);
  writer.zeros(3);
  writer.u32(filter.outPort ?? reservedPort.any);
  writer.u32(filter.outGroup ?? anyGroup);
  writer.zeros(4);
  writer.u64(filter.cookie?.value ?? 0n);
  writer.u64(filter.cookie?.mask ?? 0n);
  writeMatch(writer, filter.match ?? {});
}
