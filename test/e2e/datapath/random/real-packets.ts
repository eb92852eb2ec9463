/** Who hears packets that are really sent: captured on the links of all containers of all hosts at once. */
import { Capture, type Seen } from '../../../lab/traffic/capture.ts';
import { Injector } from '../../../lab/traffic/inject.ts';
import { linkNames } from '../../../../lib/network/port.ts';
import { until } from '../../../support/until.ts';
import { frameOf, type Asked } from './questions.ts';
import type { Rig } from './rig.ts';
import { whoHears, type Hearers } from './who-hears.ts';
import { endpointId, macOf, type World } from './world.ts';
import { formatAddress } from '../../../../lib/ip/ip.ts';

const sourcePortMin = 20_000;
const arrivalMs = 3_000;

/** What was sent, who should hear it, and who did. */
export interface Heard {
  readonly asked: Asked;
  readonly expected: Hearers;
  readonly actual: Hearers;
}

/** Sends all of it, and waits until everything that is expected was heard, for a moment at most. */
export async function heardBy(
  rig: Rig,
  world: World,
  questions: readonly Asked[],
): Promise<readonly Heard[]> {
  const captures = await Promise.all(rig.hosts.map(({ containers }) => Capture.start(containers)));
  let seen: readonly Seen[] = [];
  const judge = (): readonly Heard[] =>
    questions.map((asked, at) => ({
      asked,
      expected: whoHears(world, asked.from, asked.question).filter((name) =>
        /^c\d|^self/.test(name),
      ),
      actual: hearersOf(
        world,
        asked,
        seen.filter((each) => isIt(asked, each, sourcePortMin + at)),
      ),
    }));
  try {
    for (const [at, asked] of questions.entries()) {
      const { containers } = rig.host(asked.from.host);
      const injector = await Injector.open(containers, linkNames(endpointId(asked.from)).container);
      await injector.send(frameOf(world, asked, sourcePortMin + at));
      await injector.close();
    }
    const isThere = async () => {
      seen = (await Promise.all(captures.map((each) => each.seen()))).flat();
      return judge().every(({ expected, actual }) => expected.join() === actual.join());
    };
    // who is missing then is for the caller to say
    await until('everything is heard', isThere, { timeoutMs: arrivalMs }).catch(() => undefined);
  } finally {
    seen = (await Promise.all(captures.map((each) => each.stop()))).flat();
  }
  return judge();
}

/** Whether a frame that a container got is the packet, or the answer to it. */
function isIt({ from, question, source }: Asked, { direction, says }: Seen, port: number): boolean {
  if (direction !== 'in' || says === undefined) return false;
  if (question.kind !== 'neighbour') return says.udp?.sourcePort === port;
  const target = formatAddress(question.to);
  const own = formatAddress(source);
  if (says.arp !== undefined) {
    const { senderAddress, targetAddress } = says.arp;
    return (
      [senderAddress, targetAddress].includes(own) &&
      [senderAddress, targetAddress].includes(target)
    );
  }
  if (says.from === macOf(from)) return says.target === target;
  // the answer: a question back, by the address that was asked for
  return says.to === macOf(from) && says.target === own && says.ip?.source === target;
}

function hearersOf(world: World, { from }: Asked, seen: readonly Seen[]): Hearers {
  const links = new Map(
    [...world.endpoints.values()].map((each) => [linkNames(endpointId(each)).container, each]),
  );
  return seen
    .map(({ link }) => {
      const endpoint = links.get(link);
      if (endpoint === undefined) return `link ${link}`;
      return endpoint.number === from.number ? 'self' : `c${endpoint.number}`;
    })
    .toSorted();
}
