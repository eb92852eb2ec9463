/**
 * Which links of a host lead outside: those by which it reaches others itself. Links of other containers and of
 * virtual machines do not, so what our containers send goes there only as far as those let anybody. Pure.
 */
import type { IpFamily } from '../../ip/ip.ts';
import { isOwnLink, type Surroundings } from './block.ts';

const tableLocal = 255;
const unicast = 1;

/**
 * Names of the links that lead outside, sorted.
 * @param ownBridge our bridge
 */
export function outwardLinks(
  { links, addresses, routes }: Surroundings,
  family: IpFamily,
  ownBridge: string,
): readonly string[] {
  const used = routes.filter(
    (route) =>
      route.family === family &&
      route.table !== tableLocal &&
      route.type === unicast &&
      route.ours === undefined,
  );
  return links
    .filter((link) => {
      const { index, name, kind, up } = link;
      if (!up || name === 'lo' || isOwnLink(link) || name === ownBridge) return false;
      if (!addresses.some((each) => each.index === index && each.family === family)) return false;
      const by = used.filter(({ outIndex }) => outIndex === index);
      if (by.length === 0) return false;
      // a bridge of containers or virtual machines: no router behind it, no hardware in it
      const isInside =
        kind === 'bridge' &&
        !by.some(({ gateway }) => gateway !== undefined) &&
        !links.some(({ master, kind: of }) => master === index && of === undefined);
      return !isInside;
    })
    .map(({ name }) => name)
    .toSorted();
}
