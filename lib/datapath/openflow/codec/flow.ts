/**
 * What is kept in a switch: flows, groups, meters, as values. Written by hand they read as the sentences
 * they are; read from the wire they hold whatever somebody put in, with what we do not understand kept as
 * bytes. Types only. OpenFlow 1.3.5 sections 5 and 7; ovs-actions(7).
 */
import type { FieldName, NarrowFieldName, WideFieldName } from './fields.ts';

/** A value of which only the bits of `mask` count. */
export interface Masked<Value> {
  readonly value: Value;
  readonly mask: Value;
}

/** A match entry that we do not know: its code point, and all of its bytes with the header. */
export interface OpaqueField {
  readonly kind: 'opaque';
  readonly bytes: Uint8Array;
}

/** Which packets: every field named must fit. A field of which no bit counts is the same as none. */
export type Match = {
  readonly [Name in NarrowFieldName]?: number | Masked<number> | undefined;
} & {
  readonly [Name in WideFieldName]?: bigint | Masked<bigint> | undefined;
} & {
  /** Entries of other people's flows. */
  readonly opaque?: readonly OpaqueField[] | undefined;
};

/** Ports with a meaning of their own (OpenFlow 1.3.5 section 7.2.1). */
export const reservedPort = {
  max: 0xffff_ff00,
  /** Back to where the packet came from; `output` never does that otherwise. */
  inPort: 0xffff_fff8,
  table: 0xffff_fff9,
  normal: 0xffff_fffa,
  flood: 0xffff_fffb,
  all: 0xffff_fffc,
  controller: 0xffff_fffd,
  /** The bridge's own port. */
  local: 0xffff_fffe,
  /** No port, or any, in requests. */
  any: 0xffff_ffff,
} as const;

/** Bits of a field; without `first` and `bits` the whole field. */
export interface Slice {
  readonly field: FieldName;
  /** Lowest bit; 0 is the field's lowest. */
  readonly first?: number | undefined;
  readonly bits?: number | undefined;
}

/** Address and port ranges of a translation; a single one has no last. At most one family of addresses. */
export interface NatRange {
  readonly side: 'source' | 'destination';
  readonly ipv4?: { readonly first: number; readonly last?: number | undefined } | undefined;
  readonly ipv6?: { readonly first: bigint; readonly last?: bigint | undefined } | undefined;
  readonly ports?: { readonly first: number; readonly last?: number | undefined } | undefined;
  readonly persistent?: boolean | undefined;
  /** How a port is chosen; absent, the datapath's way. */
  readonly choose?: 'hash' | 'random' | undefined;
}

/** The ct action (ovs-actions(7)). */
export interface Ct {
  readonly kind: 'ct';
  readonly commit?: boolean | undefined;
  readonly force?: boolean | undefined;
  /** Absent: zone 0. */
  readonly zone?: number | Slice | undefined;
  /** The table where the packet goes on, with `ctState` known; absent: it does not. */
  readonly table?: number | undefined;
  /** `existing`: translate as the connection says; a range: translate a new connection so. */
  readonly nat?: 'existing' | NatRange | undefined;
  /** 21 for FTP, 69 for TFTP. */
  readonly helperPort?: number | undefined;
  /** Writes to `ctMark` and `ctLabel`. */
  readonly exec?: readonly Action[] | undefined;
}

/** What is done to a packet. An empty list drops it. */
export type Action =
  | { readonly kind: 'output'; readonly port: number; readonly maxLength?: number | undefined }
  | { readonly kind: 'outputField'; readonly from: Slice; readonly maxLength?: number | undefined }
  | { readonly kind: 'group'; readonly group: number }
  | {
      readonly kind: 'setField';
      readonly field: NarrowFieldName;
      readonly value: number;
      readonly mask?: number | undefined;
    }
  | {
      readonly kind: 'setField';
      readonly field: WideFieldName;
      readonly value: bigint;
      readonly mask?: bigint | undefined;
    }
  /** Writes a value of at most 64 bits into a slice. */
  | { readonly kind: 'load'; readonly to: Slice; readonly value: number | bigint }
  | { readonly kind: 'move'; readonly from: Slice; readonly to: Slice }
  | { readonly kind: 'push'; readonly from: Slice }
  | { readonly kind: 'pop'; readonly to: Slice }
  | { readonly kind: 'pushVlan'; readonly ethType: 0x8100 | 0x88a8 }
  | { readonly kind: 'popVlan' }
  | { readonly kind: 'decTtl' }
  | { readonly kind: 'setQueue'; readonly queue: number }
  /** Looks the packet up in a table (absent: this one), as if it had come in by `inPort`, then goes on. */
  | {
      readonly kind: 'resubmit';
      readonly table?: number | undefined;
      readonly inPort?: number | undefined;
    }
  | Ct
  | { readonly kind: 'ctClear' }
  | {
      readonly kind: 'conjunction';
      readonly id: number;
      /** Counted from 1. */
      readonly clause: number;
      readonly of: number;
    }
  /** Writes 1 to a bit when the packet is longer than `bytes`, else 0. */
  | { readonly kind: 'checkPacketLarger'; readonly bytes: number; readonly to: Slice }
  | {
      readonly kind: 'controller';
      readonly maxLength?: number | undefined;
      readonly userdata?: Uint8Array | undefined;
      /** Sends only what this meter lets through; what else is done with the packet is not touched by it. */
      readonly meter?: number | undefined;
    }
  | { readonly kind: 'note'; readonly bytes: Uint8Array }
  /** An action of other people's flows: all of its bytes. */
  | { readonly kind: 'opaque'; readonly bytes: Uint8Array };

/** What happens to the packets of a flow, in the order in which the switch does it. */
export interface Instructions {
  readonly meter?: number | undefined;
  /** Done at once, in order. */
  readonly apply?: readonly Action[] | undefined;
  /** Empties the action set. */
  readonly clear?: boolean | undefined;
  /** Added to the action set. */
  readonly write?: readonly Action[] | undefined;
  readonly writeMetadata?: Masked<bigint> | undefined;
  /** The table that comes next; higher than the flow's own. */
  readonly goto?: number | undefined;
  /** Instructions of other people's flows: all of their bytes. */
  readonly opaque?: readonly Uint8Array[] | undefined;
}

/** What can be asked of a flow besides. */
export interface FlowOptions {
  /** The flow goes when it carried nothing for this long; absent or 0: never. */
  readonly idleTimeoutS?: number | undefined;
  readonly hardTimeoutS?: number | undefined;
  /** Tell when it goes. */
  readonly sendRemoved?: boolean | undefined;
  /** Other flags (OpenFlow 1.3.5 section 7.3.4.1), which other people's flows may have. */
  readonly otherFlags?: number | undefined;
}

/** A flow. Its table, priority and match name it: a second flow with the same replaces the first. */
export interface Flow extends Instructions, FlowOptions {
  readonly table: number;
  readonly priority: number;
  readonly cookie: bigint;
  readonly match: Match;
}

/** One way for a packet through a group. */
export interface Bucket {
  /** Share of a `select` group; only there. */
  readonly weight?: number | undefined;
  /** Whose life is the bucket's; only with `fastFailover`. */
  readonly watchPort?: number | undefined;
  readonly watchGroup?: number | undefined;
  readonly actions: readonly Action[];
}

/** A group; `id` names it. */
export interface Group {
  readonly id: number;
  /** `all`: a copy to every bucket; `select`: one bucket by hash. */
  readonly type: 'all' | 'select' | 'indirect' | 'fastFailover';
  readonly buckets: readonly Bucket[];
}

/** What a meter does above a rate. Rates are in the meter's unit, burst sizes in kilobits or packets. */
export type MeterBand =
  | { readonly kind: 'drop'; readonly rate: number; readonly burst: number }
  | {
      readonly kind: 'dscpRemark';
      readonly rate: number;
      readonly burst: number;
      readonly precedenceLevel: number;
    }
  | { readonly kind: 'opaque'; readonly bytes: Uint8Array };

/** A meter; `id` names it. */
export interface Meter {
  readonly id: number;
  readonly unit: 'kilobits' | 'packets';
  /** Whether the bands' burst sizes count. */
  readonly burst: boolean;
  readonly statistics: boolean;
  readonly bands: readonly MeterBand[];
}
