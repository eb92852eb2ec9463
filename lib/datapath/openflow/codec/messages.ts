/**
 * The messages of OpenFlow 1.3 that we send and that a switch sends us, as values. Types and the numbers
 * that requests name. OpenFlow 1.3.5 section 7; bundles and flow monitor are extensions of ONF for 1.3.
 */
import type { Action, Flow, Group, Masked, Match, Meter } from './flow.ts';

/** Version byte of OpenFlow 1.3. */
export const version13 = 4;

/** Bytes of the header that every message begins with: version, type, length, transaction number. */
export const messageHeaderBytes = 8;

/** Every table, in requests and deletes. */
export const allTables = 0xff;

/** Which flows a request or a delete is about; what is absent does not narrow it. */
export interface FlowFilter {
  /** Absent: every table. */
  readonly table?: number | undefined;
  readonly match?: Match | undefined;
  readonly cookie?: Masked<bigint> | undefined;
  /** Only flows that send to this port or group. */
  readonly outPort?: number | undefined;
  readonly outGroup?: number | undefined;
}

/** A change of flows. `modify` and `delete` are about all that fit, the strict ones about one flow. */
export type FlowMod =
  | { readonly kind: 'flowMod'; readonly command: 'add'; readonly flow: Flow }
  | {
      readonly kind: 'flowMod';
      readonly command: 'modify' | 'modifyStrict';
      readonly flow: Flow;
      /** Only flows whose cookie has these bits; absent: whatever the cookie. */
      readonly cookie?: Masked<bigint> | undefined;
    }
  | { readonly kind: 'flowMod'; readonly command: 'delete'; readonly filter: FlowFilter }
  | {
      readonly kind: 'flowMod';
      readonly command: 'deleteStrict';
      readonly filter: FlowFilter;
      readonly priority: number;
    };

/** A change of groups; a delete without id is about all of them. */
export type GroupMod =
  | {
      readonly kind: 'groupMod';
      readonly command: 'add' | 'modify' | 'addOrModify';
      readonly group: Group;
    }
  | { readonly kind: 'groupMod'; readonly command: 'delete'; readonly id?: number | undefined };

/** A change of meters; a delete without id is about all of them. */
export type MeterMod =
  | { readonly kind: 'meterMod'; readonly command: 'add' | 'modify'; readonly meter: Meter }
  | { readonly kind: 'meterMod'; readonly command: 'delete'; readonly id?: number | undefined };

/** What can be asked in parts. */
export type MultipartRequest =
  | { readonly part: 'description' }
  | { readonly part: 'flows'; readonly filter: FlowFilter }
  | { readonly part: 'aggregate'; readonly filter: FlowFilter }
  | { readonly part: 'tables' }
  | { readonly part: 'portDescriptions' }
  | { readonly part: 'ports'; readonly port?: number | undefined }
  | { readonly part: 'groups'; readonly group?: number | undefined }
  | { readonly part: 'groupDescriptions' }
  | { readonly part: 'groupFeatures' }
  | { readonly part: 'meters'; readonly meter?: number | undefined }
  | { readonly part: 'meterConfigurations'; readonly meter?: number | undefined }
  | { readonly part: 'meterFeatures' }
  | {
      readonly part: 'flowMonitor';
      readonly id: number;
      /** Also report the flows that are there now. */
      readonly initial: boolean;
      /** Report our own changes too, and not only that there were some. */
      readonly own: boolean;
      readonly filter: Pick<FlowFilter, 'table' | 'match' | 'outPort'>;
    };

/** Steps of a bundle. */
export type BundleStep = 'open' | 'close' | 'commit' | 'discard';

/** What may stand in a bundle. */
export type BundledMessage = FlowMod | GroupMod | PacketOut;

/** A packet that the switch shall handle. */
export interface PacketOut {
  readonly kind: 'packetOut';
  /** As if it had come in here; `reservedPort.controller` when from nowhere. */
  readonly inPort: number;
  readonly actions: readonly Action[];
  readonly data: Uint8Array;
}

/** What we send. */
export type Request =
  | { readonly kind: 'hello'; readonly versions: readonly number[] }
  | { readonly kind: 'echoRequest'; readonly data: Uint8Array }
  | { readonly kind: 'echoReply'; readonly data: Uint8Array }
  | { readonly kind: 'featuresRequest' }
  | { readonly kind: 'configurationRequest' }
  | {
      readonly kind: 'setConfiguration';
      readonly fragments: number;
      readonly missSendBytes: number;
    }
  | { readonly kind: 'barrierRequest' }
  | FlowMod
  | GroupMod
  | MeterMod
  | PacketOut
  | { readonly kind: 'multipartRequest'; readonly request: MultipartRequest }
  | {
      readonly kind: 'bundleControl';
      readonly bundle: number;
      readonly step: BundleStep;
      readonly flags: number;
    }
  | {
      readonly kind: 'bundleAdd';
      readonly bundle: number;
      readonly flags: number;
      readonly message: BundledMessage;
      /** Of the message inside; errors name it. */
      readonly innerXid: number;
    }
  /** Forgets all connections of a zone. */
  | { readonly kind: 'ctFlushZone'; readonly zone: number };

/** Flags of a bundle: all or nothing, and in the order given. */
export const bundleFlag = { atomic: 1, ordered: 2 } as const;

/** Counters of a flow, with its age. */
export interface FlowCounters {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly ageS: number;
}

/** A flow as the switch tells it. */
export interface FlowEntry extends FlowCounters {
  readonly flow: Flow;
}

/** A port as the switch tells it. */
export interface PortDescription {
  readonly port: number;
  readonly mac: number;
  readonly name: string;
  /** Bits of OpenFlow 1.3.5 section 7.2.1: configuration and state. */
  readonly configuration: number;
  readonly state: number;
  readonly currentKbps: number;
  readonly maximumKbps: number;
}

/** Counters of a port; -1n where the switch does not count. */
export interface PortCounters {
  readonly port: number;
  readonly receivedPackets: bigint;
  readonly sentPackets: bigint;
  readonly receivedBytes: bigint;
  readonly sentBytes: bigint;
  readonly receivedDropped: bigint;
  readonly sentDropped: bigint;
  readonly receivedErrors: bigint;
  readonly sentErrors: bigint;
  readonly ageS: number;
}

/** Counters of a group. */
export interface GroupCounters extends FlowCounters {
  readonly group: number;
  readonly references: number;
  readonly buckets: readonly { readonly packets: bigint; readonly bytes: bigint }[];
}

/** Counters of a meter; the bands count what they caught. */
export interface MeterCounters extends FlowCounters {
  readonly meter: number;
  readonly flows: number;
  readonly bands: readonly { readonly packets: bigint; readonly bytes: bigint }[];
}

/** A change of flows, told by a flow monitor. `own`: changes asked for with this transaction number. */
export type FlowUpdate =
  | { readonly event: 'added' | 'modified'; readonly flow: Flow }
  | { readonly event: 'removed'; readonly flow: Flow; readonly reason: number }
  | { readonly event: 'own'; readonly xid: number };

/** What is answered in parts. Each part holds some entries. */
export type MultipartReply =
  | {
      readonly part: 'description';
      readonly manufacturer: string;
      readonly hardware: string;
      readonly software: string;
      readonly serial: string;
      readonly datapath: string;
    }
  | { readonly part: 'flows'; readonly entries: readonly FlowEntry[] }
  | {
      readonly part: 'aggregate';
      readonly packets: bigint;
      readonly bytes: bigint;
      readonly flows: number;
    }
  | {
      readonly part: 'tables';
      readonly entries: readonly {
        readonly table: number;
        readonly active: number;
        readonly lookups: bigint;
        readonly matched: bigint;
      }[];
    }
  | { readonly part: 'portDescriptions'; readonly entries: readonly PortDescription[] }
  | { readonly part: 'ports'; readonly entries: readonly PortCounters[] }
  | { readonly part: 'groups'; readonly entries: readonly GroupCounters[] }
  | { readonly part: 'groupDescriptions'; readonly entries: readonly Group[] }
  | {
      readonly part: 'groupFeatures';
      readonly types: number;
      readonly capabilities: number;
      /** For all, select, indirect and fast failover groups. */
      readonly maxGroups: readonly number[];
    }
  | { readonly part: 'meters'; readonly entries: readonly MeterCounters[] }
  | { readonly part: 'meterConfigurations'; readonly entries: readonly Meter[] }
  | {
      readonly part: 'meterFeatures';
      readonly maxMeters: number;
      readonly bandTypes: number;
      readonly capabilities: number;
      readonly maxBands: number;
    }
  | { readonly part: 'flowMonitor'; readonly updates: readonly FlowUpdate[] };

/** Why the switch sends a packet to us. */
export interface PacketIn {
  readonly kind: 'packetIn';
  /** Length of the packet; `data` may be shorter. */
  readonly totalBytes: number;
  readonly reason: number;
  readonly table: number;
  readonly cookie: bigint;
  /** Where it came in, and what the flow's fields held then. */
  readonly match: Match;
  readonly data: Uint8Array;
}

/** A flow that went, and how much it had carried. */
export interface FlowRemoved extends FlowCounters {
  readonly kind: 'flowRemoved';
  readonly table: number;
  readonly priority: number;
  readonly cookie: bigint;
  readonly match: Match;
  /** 0 idle, 1 expired, 2 deleted, 3 its group was deleted. */
  readonly reason: number;
}

/** What a switch refuses. `data` begins with the message that caused it, at least 64 bytes or all of it. */
export interface SwitchError {
  readonly kind: 'error';
  readonly type: number;
  readonly code: number;
  /** Only for errors of experimenter type. */
  readonly experimenter?: number | undefined;
  readonly data: Uint8Array;
}

/** What a switch sends. */
export type Reply =
  | { readonly kind: 'hello'; readonly versions: readonly number[] }
  | SwitchError
  | { readonly kind: 'echoRequest'; readonly data: Uint8Array }
  | { readonly kind: 'echoReply'; readonly data: Uint8Array }
  | {
      readonly kind: 'featuresReply';
      readonly datapathId: bigint;
      readonly buffers: number;
      readonly tables: number;
      readonly auxiliary: number;
      readonly capabilities: number;
    }
  | {
      readonly kind: 'configurationReply';
      readonly fragments: number;
      readonly missSendBytes: number;
    }
  | PacketIn
  | FlowRemoved
  | {
      readonly kind: 'portStatus';
      readonly reason: 'added' | 'removed' | 'modified';
      readonly port: PortDescription;
    }
  | { readonly kind: 'barrierReply' }
  | {
      readonly kind: 'multipartReply';
      /** More parts of this answer follow. */
      readonly more: boolean;
      readonly reply: MultipartReply;
    }
  | { readonly kind: 'bundleReply'; readonly bundle: number; readonly step: BundleStep }
  | { readonly kind: 'monitorPaused' }
  | { readonly kind: 'monitorResumed' }
  /** A message that we do not know, or not in this form; harmless unless it was an answer. */
  | { readonly kind: 'unknown'; readonly type: number; readonly bytes: Uint8Array };

/** A message with its transaction number. */
export type Numbered<Message> = Message & { readonly xid: number };
