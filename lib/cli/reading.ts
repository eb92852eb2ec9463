/**
 * What a user typed, as a value: each reader takes one text, whole, and answers either the value or what the
 * text must be. Readers trim nothing, guess nothing and touch nothing outside the process.
 */
import { posix } from 'node:path';
import { FairleadError } from '../errors.ts';
import {
  addressBits,
  formatAddress,
  formatCidr,
  overlaps,
  parseAddress,
  parseCidr,
  specialBlocksIn,
  type Cidr,
  type IpFamily,
} from '../ip/ip.ts';
import {
  hostBlockPrefixMax,
  hostBlockPrefixMin,
  hostNameCharactersMax,
  linkNameBytesMax,
  pathBytesMax,
  pluginNameCharactersMax,
  poolBlocksMax,
  socketPathBytesMax,
  uplinksMax,
} from '../limits.ts';
import { isDomainName } from '../names/message.ts';
import type { DefaultBlock } from '../network/ipam/block.ts';

/** A value, or the end of the sentence "it must be …". */
export type Reading<Value> = { readonly value: Value } | { readonly mustBe: string };

/** Reads one text. */
export type Reader<Value> = (text: string) => Reading<Value>;

/** One of a few words. */
export function readOneOf<const Word extends string>(words: readonly Word[]): Reader<Word> {
  return (text) => {
    const value = words.find((word) => word === text);
    return value === undefined ? { mustBe: `one of ${words.join(', ')}` } : { value };
  };
}

/** A whole number in decimal, without sign, leading zeros or anything behind it. */
export function readWholeNumber(min: number, max: number): Reader<number> {
  return (text) => {
    const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max
      ? { value }
      : { mustBe: `a whole number from ${min} to ${max}` };
  };
}

/** The absolute path of a file or directory, in its shortest spelling. */
export function readPath(text: string): Reading<string> {
  return readPathUpTo(text, pathBytesMax);
}

/** The absolute path of a unix socket. */
export function readSocketPath(text: string): Reading<string> {
  return readPathUpTo(text, socketPathBytesMax);
}

/** `unix:PATH` (or `unix://PATH`, as in DOCKER_HOST); the value is the path. */
export function readUnixUrl(text: string): Reading<string> {
  if (!text.startsWith('unix:/')) return { mustBe: 'unix: and the absolute path of a socket' };
  const reading = readSocketPath(text.slice('unix:'.length));
  return 'value' in reading ? reading : { mustBe: `unix: and ${reading.mustBe}` };
}

/** The path of a file by which Docker finds a plugin: its ending says what is in it. */
export function readDiscoveryFile(text: string): Reading<string> {
  const reading = readPath(text);
  if ('value' in reading && !/[^/]\.(?:spec|json)$/.test(reading.value)) {
    return { mustBe: 'a path that ends in .spec or .json' };
  }
  return reading;
}

/** An IP address, given back in its canonical form. */
export function readAddress(text: string): Reading<string> {
  try {
    return { value: formatAddress(parseAddress(text)) };
  } catch {
    return { mustBe: 'an IP address, such as 192.0.2.7 or 2001:db8::7' };
  }
}

/** A host's name, as hostnames are written (underscores occur in practice). */
export function readHostName(text: string): Reading<string> {
  const fits = text.length <= hostNameCharactersMax && /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text);
  return fits
    ? { value: text }
    : {
        mustBe: `letters, digits, '.', '_' and '-', first a letter or digit, at most ${hostNameCharactersMax}`,
      };
}

const domainPattern = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** The domain of inside names, in lower case and without a dot at its end, or `none`. */
export function readNameDomain(text: string): Reading<string> {
  const domain = text.toLowerCase();
  // names of addresses are answered by themselves
  const isArpa = domain === 'arpa' || domain.endsWith('.arpa');
  return isDomainName(domain) && domainPattern.test(domain) && !isArpa
    ? { value: domain }
    : { mustBe: 'none, or a domain such as fairlead or c.example.com, not below arpa' };
}

const namePart = '[a-z0-9]+(?:[._-]+[a-z0-9]+)*';
const pluginReference = new RegExp(
  `^(?:${namePart}(?::[0-9]{1,5})?/)?(?:${namePart}/)*${namePart}(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$`,
);

/** The name that follows `docker network create -d`: a plain word, or a managed plugin's reference. */
export function readPluginName(text: string): Reading<string> {
  return text.length <= pluginNameCharactersMax && pluginReference.test(text)
    ? { value: text }
    : {
        mustBe: `a name such as fairlead or site/fairlead:1.0, in lower case, at most ${pluginNameCharactersMax} characters`,
      };
}

/** Names of network links separated by commas, none of them twice. */
export function readLinkNames(text: string): Reading<readonly string[]> {
  const names = text.split(',');
  const isName = (name: string): boolean =>
    /^[^\s/:%\p{Cc}]+$/u.test(name) &&
    Buffer.byteLength(name) <= linkNameBytesMax &&
    !['.', '..', 'lo'].includes(name);
  if (names.every(isName) && names.length <= uplinksMax && new Set(names).size === names.length) {
    return { value: names };
  }
  return { mustBe: `1 to ${uplinksMax} different NICs, such as eth1 or eth1,eth2` };
}

/** Blocks to cut pools from, `CIDR:SIZE` separated by commas; no two of them share an address. */
export function readPoolBlocks(family: IpFamily): Reader<readonly DefaultBlock[]> {
  return (text) => {
    const parts = text.split(',');
    if (parts.length > poolBlocksMax) return { mustBe: `at most ${poolBlocksMax} blocks` };
    const blocks: DefaultBlock[] = [];
    for (const part of parts) {
      const reading = readPoolBlock(part, family);
      if ('mustBe' in reading) return reading;
      const other = blocks.find(({ base }) => overlaps(base, reading.value.base));
      if (other !== undefined) {
        const pair = `${formatCidr(other.base)} and ${formatCidr(reading.value.base)}`;
        return { mustBe: `blocks that do not overlap, unlike ${pair}` };
      }
      blocks.push(reading.value);
    }
    return { value: blocks };
  };
}

/** A block of which each tenant takes one address, or `none`. IPv4 links may number themselves in it. */
export function readHostBlock(family: IpFamily): Reader<Cidr | 'none'> {
  const example = family === 4 ? '169.254.64.0/18' : 'fd00:1::/64';
  const [least, most] = [hostBlockPrefixMin[family], hostBlockPrefixMax[family]];
  const expected = {
    mustBe: `none, or an IPv${family} block of /${least} to /${most}, such as ${example}`,
  };
  return (text) => {
    if (text === 'none') return { value: text };
    try {
      const block = parseCidr(text);
      const { prefixLength } = block;
      if (block.family !== family || prefixLength < least || prefixLength > most) return expected;
      const special = specialBlocksIn(block).find(
        ({ kind }) => kind !== 'link-local' || family === 6,
      );
      if (special === undefined) return { value: block };
      return { mustBe: `unicast, without ${special.name} (${formatCidr(special.cidr)})` };
    } catch (error) {
      if (error instanceof FairleadError) return expected;
      throw error;
    }
  };
}

function readPathUpTo(text: string, bytesMax: number): Reading<string> {
  if (!text.startsWith('/')) return { mustBe: 'an absolute path' };
  if (/\p{Cc}/u.test(text)) return { mustBe: 'a path without control characters' };
  if (Buffer.byteLength(text) > bytesMax) return { mustBe: `a path of at most ${bytesMax} bytes` };
  const normal = posix.normalize(text);
  return { value: normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal };
}

function readPoolBlock(part: string, family: IpFamily): Reading<DefaultBlock> {
  const example = family === 4 ? '10.64.0.0/12:24' : 'fd00:1::/48:64';
  const [, cidrText, sizeText] = /^(.+\/[0-9]+):([1-9][0-9]{0,2})$/.exec(part) ?? [];
  if (cidrText === undefined) return { mustBe: `CIDR:SIZE such as ${example}` };
  try {
    const base = parseCidr(cidrText);
    const size = Number(sizeText);
    if (base.family !== family) return { mustBe: `IPv${family}, such as ${example}` };
    // a pool has room for a gateway and a container
    const sizeMax = addressBits(family) - 1;
    if (size < base.prefixLength || size > sizeMax) {
      return { mustBe: `a block with pools of /${base.prefixLength} to /${sizeMax}` };
    }
    const [special] = specialBlocksIn(base);
    if (special !== undefined) {
      return { mustBe: `unicast, without ${special.name} (${formatCidr(special.cidr)})` };
    }
    return { value: { base, size } };
  } catch (error) {
    if (error instanceof FairleadError) return { mustBe: `valid: ${error.message}` };
    throw error;
  }
}
