/**
 * The formats of texts: what fits, and what to say of what doesn't. As Contiv's, less what it took and could not
 * do (protocol 999, a service port without its target, a pool of one address), and more where it refused without
 * cause (IPv6 prefixes of 108, 109, 118, 119 and 128; addresses of one host in rules).
 */
import { asFairleadError } from '../../errors.ts';
import { parseAddress, parseCidr, parseInterface } from '../../ip/ip.ts';
import { ipProtocolMax, vlanTagMax, vniMax } from '../../limits.ts';
import { isSiteName } from '../site.ts';
import { isBandwidth } from './bandwidth.ts';
import { icmpTypeNames } from './icmp-types.ts';

/** A format of texts. */
export interface Format {
  /** Ends "expected …". */
  readonly expected: string;
  readonly fits: (text: string) => boolean;
}

/** Numbers or addresses from a first to a last. */
export interface TextSpan {
  readonly first: string;
  readonly last: string;
}

const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const name = new RegExp(`^${label}(?:\\.${label})*$`);
const topologyPath =
  /^topology\/pod-[0-9]{1,4}\/(?:node-[0-9]{1,4}|paths-[0-9]{1,4}\/pathep-\[[A-Za-z0-9/.-]{1,64}\]|protpaths-[0-9]{1,4}-[0-9]{1,4}\/pathep-\[[A-Za-z0-9/_.-]{1,64}\])$/;

const isAddress = (family: 4 | 6) => (text: string) =>
  passes(() => parseAddress(text).family === family);
const isBlock = (family: 4 | 6, lengthMin: number, lengthMax: number) => (text: string) =>
  passes(() => {
    const { address, prefixLength } = parseInterface(text);
    return address.family === family && prefixLength >= lengthMin && prefixLength <= lengthMax;
  });
const choice = (...words: readonly string[]): Format => ({
  expected: words.join(' or '),
  fits: (text) => words.includes(text),
});
const tagRange = (last: number): Format => ({
  expected: `FIRST-LAST within 1-${last}`,
  fits: (text) => {
    const span = /^[1-9][0-9]{0,7}-[1-9][0-9]{0,7}$/.test(text) ? spanOfText(text) : undefined;
    if (span === undefined) return false;
    return Number(span.first) <= Number(span.last) && Number(span.last) <= last;
  },
});

/** What a group says instead of labels when it asks for none any more. */
export const noSelectors = 'none';

const isSelector = (text: string): boolean => /^[^=\s]+=[^=\s]+$/.test(text);

/** The formats by name. An empty text is never asked about: it is a field that was not given. */
export const formats = {
  name: {
    expected: 'letters, digits and hyphens in labels joined by dots',
    fits: (text) => name.test(text),
  },
  siteName: {
    expected: 'letters, digits and hyphens in labels joined by dots',
    fits: isSiteName,
  },
  // the only name that Contiv took as it came
  anyName: {
    expected: 'a text without control characters',
    fits: (text) => text.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text),
  },
  ipv4: { expected: 'an IPv4 address such as 10.1.2.254', fits: isAddress(4) },
  ipv6: { expected: 'an IPv6 address such as fd00::1', fits: isAddress(6) },
  ipv4Subnet: {
    expected: 'ADDRESS/LENGTH or FIRST-LAST/LENGTH such as 10.1.2.0/24, length at most 31',
    fits: (text) => {
      const match = /^([0-9.]+)(?:-([0-9.]+))?(\/[0-9]{1,2})$/.exec(text);
      if (match === null) return false;
      const [, first = '', last = first, length = ''] = match;
      return [first, last].every((end) => isBlock(4, 1, 31)(end + length));
    },
  },
  ipv6Subnet: {
    expected: 'ADDRESS/LENGTH such as fd00:1::/64, length 1 to 128',
    fits: isBlock(6, 1, 128),
  },
  ipv4Pool: {
    expected: 'FIRST-LAST such as 10.1.1.10-10.1.1.20',
    fits: (text) => {
      const span = spanOfText(text);
      return span !== undefined && [span.first, span.last].every(isAddress(4));
    },
  },
  ruleAddress: {
    expected: 'an address, ADDRESS/LENGTH, or a range of the last number such as 10.1.2.5-10',
    fits: isRuleAddress,
  },
  protocol: {
    expected: `tcp, udp, icmp or a number from 1 to ${ipProtocolMax}`,
    fits: (text) =>
      /^(?:tcp|udp|icmp)$/.test(text) ||
      (/^[1-9][0-9]{0,2}$/.test(text) && Number(text) <= ipProtocolMax),
  },
  icmpType: {
    expected: `${icmpTypeNames.join(', ')}: answers and errors pass with what they belong to`,
    fits: (text) => icmpTypeNames.includes(text),
  },
  bandwidth: {
    expected: 'a number with k, m or g, such as 20mbps or 6 Mbps',
    fits: isBandwidth,
  },
  sharing: choice('endpoint', 'group'),
  vlanRange: tagRange(vlanTagMax),
  vxlanRange: tagRange(vniMax),
  privateSubnet: { expected: 'ADDRESS/16 such as 172.19.0.0/16', fits: isBlock(4, 16, 16) },
  routerAddress: { expected: 'ADDRESS/LENGTH such as 50.1.1.1/24', fits: isBlock(4, 1, 32) },
  autonomousSystem: {
    expected: 'a number from 1 to 4294967295',
    fits: (text) => /^[1-9][0-9]{0,9}$/.test(text) && Number(text) < 2 ** 32,
  },
  bindings: {
    expected: 'paths of an APIC topology, with commas between them',
    fits: (text) => text.split(',').every((path) => topologyPath.test(path.trim())),
  },
  selector: { expected: 'KEY=VALUE', fits: isSelector },
  groupSelector: {
    expected: 'KEY=VALUE, or none alone',
    fits: (text) => text === noSelectors || isSelector(text),
  },
  servicePort: {
    expected: 'PORT:TARGET:PROTOCOL such as 80:8080:TCP',
    fits: (text) => {
      const match = /^([1-9][0-9]{0,4}):([1-9][0-9]{0,4}):(tcp|udp|sctp)$/i.exec(text);
      if (match === null) return false;
      const [, port, target, protocol = ''] = match;
      // Open vSwitch in user space cannot change ports of SCTP
      if (protocol.toLowerCase() === 'sctp' && port !== target) return false;
      return [port, target].every((number) => Number(number) <= 65_535);
    },
  },
  // said by the plan, in Contiv's words, since it depends on the other fields
  checkedLater: { expected: 'a text', fits: (text) => text.isWellFormed() },
  networkType: choice('data', 'infra'),
  encapsulation: choice('vlan', 'vxlan'),
  affinity: choice('connection', 'client'),
  check: choice('tcp'),
  defaultAction: choice('inherit', 'allow', 'deny', 'deny-in', 'deny-out'),
  enforcement: choice('inherit', 'enforce', 'audit'),
  hostAccess: choice('default', 'allow', 'deny'),
  direction: choice('in', 'out'),
  action: choice('allow', 'deny'),
  contractsType: choice('provided', 'consumed'),
  infraType: choice('default', 'aci', 'aci-opflex'),
  forwardMode: choice('bridge', 'routing'),
  arpMode: choice('proxy', 'flood'),
  yesNo: choice('yes', 'no'),
} as const satisfies Readonly<Record<string, Format>>;

/** A format's name. */
export type FormatName = keyof typeof formats;

/** The ends of `FIRST-LAST`, undefined for another text. */
export function spanOfText(text: string): TextSpan | undefined {
  const [first = '', last, ...more] = text.split('-');
  return last === undefined || more.length > 0 || first === '' || last === ''
    ? undefined
    : { first, last };
}

function isRuleAddress(text: string): boolean {
  if (text.includes('/'))
    return passes(() => parseCidr(text, { hostBits: 'clear' }).prefixLength >= 0);
  const span = text.includes('-') ? spanOfText(text) : { first: text, last: '' };
  if (span === undefined || !passes(() => parseAddress(span.first).family > 0)) return false;
  if (span.last === '') return true;
  const from = Number(span.first.split('.')[3] ?? 'none');
  return (
    /^(?:0|[1-9][0-9]{0,2})$/.test(span.last) &&
    from <= Number(span.last) &&
    Number(span.last) <= 255
  );
}

/** Whether a reading of a text neither fails nor answers no. */
function passes(read: () => boolean): boolean {
  try {
    return read();
  } catch (thrown) {
    if (asFairleadError(thrown).code === 'INTERNAL') throw thrown;
    return false;
  }
}
