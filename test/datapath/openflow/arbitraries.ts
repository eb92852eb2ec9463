/** Drawn matches, actions and flows: everything that the types allow. */
import * as fc from 'fast-check';
import { fields, type FieldName } from '../../../lib/datapath/openflow/codec/fields.ts';
import type {
  Action,
  Ct,
  Flow,
  Group,
  Instructions,
  Match,
  Meter,
  NatRange,
  Slice,
} from '../../../lib/datapath/openflow/codec/flow.ts';
import { fieldNames } from '../../../lib/datapath/openflow/codec/match.ts';

const all = (bits: number) => (1n << BigInt(bits)) - 1n;
const typed = (name: FieldName, value: bigint) => (fields[name].wide ? value : Number(value));
const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

/** An entry of a match: a value, or a value and a mask of any bits. */
const entryOf = (name: FieldName) => {
  const value = fc.bigInt({ min: 0n, max: all(fields[name].bits) });
  return fc.oneof(
    value.map((each) => typed(name, each)),
    fc
      .tuple(value, value)
      .map(([each, mask]) => ({ value: typed(name, each), mask: typed(name, mask) })),
  );
};

export const matches: fc.Arbitrary<Match> = fc
  .subarray([...fieldNames], { maxLength: 6 })
  .chain((names) => fc.tuple(...names.map((name) => fc.tuple(fc.constant(name), entryOf(name)))))
  .map((entries) => Object.fromEntries(entries) as Match);

const slices = (bitsMax = 64): fc.Arbitrary<Slice> =>
  fc
    .constantFrom(...fieldNames)
    .chain((field) =>
      fc.tuple(
        fc.constant(field),
        fc.nat(fields[field].bits - 1),
        fc.integer({ min: 1, max: bitsMax }),
      ),
    )
    .map(([field, first, bits]) => ({
      field,
      first,
      bits: Math.min(bits, fields[field].bits - first),
    }));

const setFields: fc.Arbitrary<Action> = fc
  .constantFrom(...fieldNames)
  .chain((field) => fc.tuple(fc.constant(field), entryOf(field)))
  .map(([field, entry]) => {
    const written = typeof entry === 'object' ? entry : { value: entry };
    return { kind: 'setField', field, ...written } as Action;
  });

const loads: fc.Arbitrary<Action> = slices().chain((to) =>
  fc
    .bigInt({ min: 0n, max: all(to.bits ?? 1) })
    .map((value) => ({ kind: 'load', to, value }) as const),
);

const moves: fc.Arbitrary<Action> = fc.tuple(slices(), slices()).map(([from, to]) => {
  const bits = Math.min(from.bits ?? 1, to.bits ?? 1);
  return { kind: 'move', from: { ...from, bits }, to: { ...to, bits } };
});

const range = <T>(one: fc.Arbitrary<T>) =>
  fc.record({ first: one, last: one }, { requiredKeys: ['first'] });

const translations: fc.Arbitrary<NatRange> = fc
  .tuple(
    fc.constantFrom('source' as const, 'destination' as const),
    fc.oneof(
      fc.record({ ipv4: range(u32) }),
      fc.record({ ipv6: range(fc.bigInt({ min: 0n, max: all(128) })) }),
      fc.constant({}),
    ),
    maybe(range(u16)),
    fc.boolean(),
    maybe(fc.constantFrom('hash' as const, 'random' as const)),
  )
  .map(([side, address, ports, persistent, choose]) => ({
    side,
    ...address,
    ports,
    persistent,
    choose,
  }));

const cts: fc.Arbitrary<Ct> = fc.record(
  {
    kind: fc.constant('ct' as const),
    commit: fc.boolean(),
    force: fc.boolean(),
    zone: fc.oneof(u16, slices(16)),
    table: fc.integer({ min: 0, max: 254 }),
    nat: fc.oneof(fc.constant('existing' as const), translations),
    helperPort: fc.constantFrom(0, 21, 69),
    exec: fc.array(fc.oneof(setFields, loads), { maxLength: 3 }),
  },
  { requiredKeys: ['kind'] },
);

const one = (action: Action) => fc.constant(action);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

export const actions: fc.Arbitrary<Action> = fc.oneof(
  fc
    .tuple(u32, maybe(u16))
    .map(([port, maxLength]) => ({ kind: 'output', port, maxLength }) as const),
  fc
    .tuple(slices(), maybe(u16))
    .map(([from, maxLength]) => ({ kind: 'outputField', from, maxLength }) as const),
  u32.map((group) => ({ kind: 'group', group }) as const),
  setFields,
  loads,
  moves,
  slices(128).map((from) => ({ kind: 'push', from }) as const),
  slices(128).map((to) => ({ kind: 'pop', to }) as const),
  one({ kind: 'pushVlan', ethType: 0x8100 }),
  one({ kind: 'pushVlan', ethType: 0x88a8 }),
  one({ kind: 'popVlan' }),
  one({ kind: 'decTtl' }),
  one({ kind: 'ctClear' }),
  u32.map((queue) => ({ kind: 'setQueue', queue }) as const),
  fc
    .tuple(maybe(fc.integer({ min: 0, max: 254 })), maybe(fc.integer({ min: 1, max: 0xfeff })))
    .map(([table, inPort]) => ({ kind: 'resubmit', table, inPort }) as const),
  cts,
  fc
    .tuple(u32, fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 60 }))
    .map(([id, clause, more]) => ({ kind: 'conjunction', id, clause, of: clause + more }) as const),
  fc
    .tuple(u16, slices(1))
    .map(([size, to]) => ({ kind: 'checkPacketLarger', bytes: size, to }) as const),
  fc
    .tuple(maybe(u16), maybe(bytes(20)), maybe(fc.integer({ min: 1, max: 0xffff_0000 })))
    .map(
      ([maxLength, userdata, meter]) =>
        ({ kind: 'controller', maxLength, userdata, meter }) as const,
    ),
  bytes(30).map((note) => ({ kind: 'note', bytes: note }) as const),
);

const lists = fc.array(actions, { maxLength: 5 });
const u64 = fc.bigInt({ min: 0n, max: all(64) });

export const instructions: fc.Arbitrary<Instructions> = fc.record(
  {
    meter: u32,
    apply: lists,
    clear: fc.boolean(),
    write: lists,
    writeMetadata: fc.record({ value: u64, mask: u64 }),
    goto: u8,
  },
  { requiredKeys: [] },
);

export const flows: fc.Arbitrary<Flow> = fc
  .tuple(
    fc.record({ table: u8, priority: u16, cookie: u64, match: matches }),
    instructions,
    fc.record(
      { idleTimeoutS: u16, hardTimeoutS: u16, sendRemoved: fc.boolean() },
      { requiredKeys: [] },
    ),
  )
  .map(([name, body, options]) => ({ ...name, ...body, ...options }));

export const groups: fc.Arbitrary<Group> = fc.record({
  id: u32,
  type: fc.constantFrom('all', 'select', 'indirect', 'fastFailover'),
  buckets: fc.array(
    fc.record(
      { weight: u16, watchPort: u32, watchGroup: u32, actions: lists },
      { requiredKeys: ['actions'] },
    ),
    { maxLength: 4 },
  ),
});

export const meters: fc.Arbitrary<Meter> = fc.record({
  id: u32,
  unit: fc.constantFrom('kilobits', 'packets'),
  burst: fc.boolean(),
  statistics: fc.boolean(),
  bands: fc.array(
    fc.oneof(
      fc.record({ kind: fc.constant('drop' as const), rate: u32, burst: u32 }),
      fc.record({
        kind: fc.constant('dscpRemark' as const),
        rate: u32,
        burst: u32,
        precedenceLevel: u8,
      }),
    ),
    { maxLength: 3 },
  ),
});
