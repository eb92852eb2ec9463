/**
 * Connection tracking on paper (ovs-actions(7), "ct"): zones of connections of five words, NAT of the source's
 * address, or of the target's with its port. Of two connections with one answer the later one gets another port of its
 * source. As in user space it knows no ports of SCTP: all of two addresses is one connection.
 */
import type { Ct } from '../../../lib/datapath/openflow/codec/flow.ts';
import type { FieldName } from '../../../lib/datapath/openflow/codec/fields.ts';

type State = Map<FieldName, bigint>;

/** Who speaks to whom. */
interface Tuple {
  readonly family: bigint;
  readonly protocol: bigint;
  from: bigint;
  to: bigint;
  fromPort: bigint;
  toPort: bigint;
}

interface Connection {
  readonly asked: Tuple;
  readonly answered: Tuple;
}

/** Bits of `ct_state` (ovs-fields(7)). */
const bits = {
  new: 0x01n,
  established: 0x02n,
  reply: 0x08n,
  tracked: 0x20n,
  source: 0x40n,
  target: 0x80n,
};

/** From here on ports are looked for that nobody has. */
const firstPort = 1_024n;

/** All zones of a switch. */
export class Connections {
  readonly #zones = new Map<number, Connection[]>();
  /** Pieces of packets never become whole: they are passed on untouched. */
  losesPieces = false;

  /** There are none any more. */
  forget(): void {
    this.#zones.clear();
  }

  /** Tracks a packet: answers its state, with addresses changed as the action says. */
  track(action: Ct, state: State): State {
    const { zone } = action;
    if (typeof zone !== 'number') throw new Error('zones from fields are not on paper');
    if (this.losesPieces && state.has('ipFrag')) return new Map(state);
    const known = this.#zones.get(zone) ?? [];
    this.#zones.set(zone, known);
    const now = new Map(state);
    const tuple = readTuple(state);
    const asked = known.find((each) => isSame(each.asked, tuple));
    const answered = known.find((each) => isSame(each.answered, tuple));
    const translates = action.nat !== undefined;
    writeOriginal(now, asked?.asked ?? answered?.asked ?? tuple);
    if (asked !== undefined) {
      now.set('ctState', bits.tracked | bits.established);
      if (translates) translate(now, tuple, turned(asked.answered));
    } else if (answered !== undefined) {
      now.set('ctState', bits.tracked | bits.established | bits.reply);
      if (translates) translate(now, tuple, turned(answered.asked));
    } else {
      now.set('ctState', bits.tracked | bits.new);
      if (action.commit === true) commit(known, { action, tuple, now });
    }
    return now;
  }
}

function commit(
  known: Connection[],
  { action, tuple, now }: { readonly action: Ct; readonly tuple: Tuple; readonly now: State },
): void {
  const { nat } = action;
  const wanted = typeof nat === 'object' ? nat : undefined;
  const address = BigInt(wanted?.ipv4?.first ?? wanted?.ipv6?.first ?? 0);
  const after = { ...tuple };
  // no address at all: it stays
  if (wanted?.side === 'source' && address !== 0n) after.from = address;
  if (wanted?.side === 'destination') {
    after.to = address;
    after.toPort = BigInt(wanted.ports?.first ?? tuple.toPort);
  }
  const isTaken = () => known.some((each) => isSame(each.answered, turned(after)));
  if (isTaken() && wanted === undefined) throw new Error('two connections with one answer');
  for (let port = firstPort; isTaken(); port += 1n) after.fromPort = port;
  translate(now, tuple, after);
  known.push({ asked: tuple, answered: turned(after) });
}

/** The same, said by the other side. */
const turned = (tuple: Tuple): Tuple => ({
  ...tuple,
  from: tuple.to,
  to: tuple.from,
  fromPort: tuple.toPort,
  toPort: tuple.fromPort,
});

const isV4 = (state: State): boolean => state.get('ethType') === 0x800n;

function readTuple(state: State): Tuple {
  const [from, to] = isV4(state)
    ? [state.get('ipv4Src'), state.get('ipv4Dst')]
    : [state.get('ipv6Src'), state.get('ipv6Dst')];
  const [asked, answered] = icmpTypes(state);
  return {
    family: state.get('ethType') ?? 0n,
    protocol: state.get('ipProto') ?? 0n,
    from: from ?? 0n,
    to: to ?? 0n,
    fromPort: state.get('udpSrc') ?? state.get('tcpSrc') ?? asked,
    toPort: state.get('udpDst') ?? state.get('tcpDst') ?? answered,
  };
}

/** What is asked and what answers it; as in a switch, the question's type is where a source's port would be. */
function icmpTypes(state: State): readonly [bigint, bigint] {
  const type = state.get('icmpType') ?? state.get('icmpv6Type');
  const pairs: readonly (readonly [bigint, bigint])[] = [
    [8n, 0n],
    [13n, 14n],
    [128n, 129n],
  ];
  const pair = pairs.find((each) => type !== undefined && each.includes(type));
  if (pair === undefined || type === undefined) return [0n, 0n];
  return pair[0] === type ? pair : [pair[1], pair[0]];
}

/** Who began, whichever way this packet goes (ovs-fields(7), "ct_nw_src" and those behind it). */
function writeOriginal(state: State, { protocol, from, to, fromPort, toPort }: Tuple): void {
  const [fromField, toField] = isV4(state)
    ? (['ctNwSrc', 'ctNwDst'] as const)
    : (['ctIpv6Src', 'ctIpv6Dst'] as const);
  state.set('ctNwProto', protocol).set(fromField, from).set(toField, to);
  state.set('ctTpSrc', fromPort).set('ctTpDst', toPort);
}

/** Writes what a connection makes of a packet, and says in its state which side that is. */
function translate(state: State, before: Tuple, after: Tuple): void {
  const write = (names: readonly FieldName[], value: bigint) => {
    for (const name of names) if (state.has(name)) state.set(name, value);
  };
  const mark = (bit: bigint) => state.set('ctState', (state.get('ctState') ?? 0n) | bit);
  if (before.from !== after.from || before.fromPort !== after.fromPort) {
    write(isV4(state) ? ['ipv4Src'] : ['ipv6Src'], after.from);
    write(['udpSrc', 'tcpSrc'], after.fromPort);
    mark(bits.source);
  }
  if (before.to !== after.to || before.toPort !== after.toPort) {
    write(isV4(state) ? ['ipv4Dst'] : ['ipv6Dst'], after.to);
    write(['udpDst', 'tcpDst'], after.toPort);
    mark(bits.target);
  }
}

const isSame = (one: Tuple, other: Tuple): boolean =>
  Object.entries(one).every(([key, value]) => other[key as keyof Tuple] === value);
