/**
 * Questions of this host's containers to name servers: those for names of ours are answered, the others let go as
 * they were. That it does so it says to the flows again and again (`pipeline/names.ts`): an agent that has died, or is
 * late, or does not know the site yet, is not asked, and questions go where they were meant to go.
 */
import type { Clock } from '../clock.ts';
import type { Change, OpenFlowConnection, SwitchNews } from '../datapath/openflow/connection.ts';
import { reservedPort } from '../datapath/openflow/codec/flow.ts';
import type { PacketIn } from '../datapath/openflow/codec/messages.ts';
import { cookieKinds, readCookie, registers } from '../datapath/pipeline/fields.ts';
import {
  answerFrames,
  partingFrame,
  readNameFrame,
  type NameFrame,
} from '../datapath/pipeline/name-frames.ts';
import { letGo, nameLamp } from '../datapath/pipeline/names.ts';
import { hasCode } from '../errors.ts';
import { dnsStreamBytesMax, nameLampRepeatMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import { answerCode, readQuery, udpBytesMax, writeAnswer, type Query } from '../names/message.ts';
import { respond } from '../names/respond.ts';
import type { NameView } from '../network/name-view.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';

/** What it is made of. */
export interface NameAnswerParts {
  readonly connection: Pick<OpenFlowConnection, 'apply' | 'onNews' | 'state'>;
  readonly names: NameView;
  /** What inside names may end with, lower case; undefined for no answers. */
  readonly domain: string | undefined;
  /** Whether a container of this host is on a network that hosts share. */
  readonly isWanted: () => boolean;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How many questions there were. */
export interface NameCounts {
  readonly answered: number;
  readonly letGo: number;
}

/** Answers at work. */
export interface NameAnswers {
  readonly counts: NameCounts;
  /** Looks soon whether there is something to answer. */
  kick(): void;
  /** Answers nothing more, and says so to the flows. */
  close(): Promise<void>;
}

/** Starts to answer. The switch may be absent, and come and go. */
export function startNameAnswers(parts: NameAnswerParts): NameAnswers {
  const { connection, names, domain, log } = parts;
  const counts = { answered: 0, letGo: 0 };
  if (domain === undefined) return { counts, kick: () => undefined, close: async () => undefined };
  let turn = 0;
  const stop = connection.onNews((news) => {
    if (!isQuestion(news)) return;
    turn += 1;
    const out = changesFor(news, { names, domain, turn });
    counts[out.isAnswer ? 'answered' : 'letGo'] += 1;
    // what is not said is as if it had been lost: who asks will ask again
    void connection.apply(out.changes).catch((thrown: unknown) => {
      log.debug({ err: thrown }, 'a question for a name was lost');
    });
  });
  const loop = lampLoop(parts);
  return {
    counts,
    kick: () => loop.kick(),
    async close() {
      await loop.close();
      await putOut(parts);
      stop();
    },
  };
}

const isQuestion = (news: SwitchNews): news is PacketIn =>
  news.kind === 'packetIn' && readCookie(news.cookie)?.kind === cookieKinds.nameQuery;

function lampLoop({ connection, names, isWanted, clock, log }: NameAnswerParts): Loop {
  return startLoop({
    clock,
    pace: { ...reconcilePace, intervalMs: nameLampRepeatMs, retryMaxMs: nameLampRepeatMs },
    run: async () => {
      if (connection.state() !== 'ready' || !names.isRead || !isWanted()) return;
      await connection.apply([{ kind: 'flowMod', command: 'add', flow: nameLamp }]);
    },
    // without its meter, as after a restart of the switch, the flow is refused; then it comes a little later
    onError: (thrown) => log.debug({ err: thrown }, 'names are not answered at the moment'),
  });
}

/** It would go out by itself; questions need not be lost until then. */
async function putOut({ connection }: NameAnswerParts): Promise<void> {
  if (connection.state() !== 'ready') return;
  const { table, match, priority } = nameLamp;
  const out = {
    kind: 'flowMod',
    command: 'deleteStrict',
    filter: { table, match },
    priority,
  } as const;
  await connection.apply([out]).catch(() => undefined);
}

interface Around {
  readonly names: NameView;
  readonly domain: string;
  readonly turn: number;
}

/** What is sent for a packet that asks, or seems to. */
export function changesFor(
  packet: Pick<PacketIn, 'match' | 'data'>,
  around: Around,
): { readonly changes: readonly Change[]; readonly isAnswer: boolean } {
  const { inPort } = packet.match;
  if (typeof inPort !== 'number') return { changes: [], isAnswer: false };
  const out = (data: Uint8Array): Change => ({ kind: 'packetOut', inPort, actions: letGo, data });
  const back = (data: Uint8Array): Change => ({
    kind: 'packetOut',
    inPort: reservedPort.controller,
    actions: [{ kind: 'output', port: inPort }],
    data,
  });
  const frame = readNameFrame(packet.data);
  const answers = frame && answersFor(frame, packet.match, around);
  if (frame === undefined || answers === undefined) {
    return { changes: [out(packet.data)], isAnswer: false };
  }
  const changes = answerFrames(frame, answers).map(back);
  return {
    changes: frame.protocol === 'udp' ? changes : [...changes, out(partingFrame(frame))],
    isAnswer: true,
  };
}

/** Answers to all that a frame asks; undefined when none of it is ours. */
function answersFor(
  { messages, protocol }: NameFrame,
  match: PacketIn['match'],
  { names, domain, turn }: Around,
): readonly Uint8Array[] | undefined {
  const [tenantNumber, number] = [match[registers.domain], match[registers.network]];
  if (typeof tenantNumber !== 'number' || typeof number !== 'number') return undefined;
  const found = names.numbered(tenantNumber);
  if (found === undefined) return undefined;
  const network = names.networkNumbered(tenantNumber, number);
  const queries = messages.map(queryIn);
  const answers = queries.map(
    (query) => query && respond(query, { names: found, network, domain, turn }),
  );
  if (answers.every((answer) => answer === undefined)) return undefined;
  return queries.flatMap((query, index) => {
    if (query === undefined) return [];
    // beside one that is ours in one segment: who asks asks again, by itself
    const refused = { code: answerCode.serverFailure, records: [], ttlSeconds: 0 };
    const bytesMax = protocol === 'udp' ? udpBytesMax(query) : dnsStreamBytesMax;
    return [writeAnswer(query, answers[index] ?? refused, bytesMax)];
  });
}

function queryIn(message: Uint8Array): Query | undefined {
  try {
    return readQuery(message);
  } catch (thrown) {
    if (hasCode(thrown, 'NAME_QUERY_INVALID')) return undefined;
    throw thrown;
  }
}
