/**
 * Where the state is kept, as a user writes it: `etcd://host:2379,[fd00::2]:2379/prefix?user=NAME` (`etcds:`
 * with TLS), or a list of endpoints as Contiv's `--etcd-endpoints` took it. Strict: what is not understood is
 * refused, nothing is guessed. Touches no file.
 */
import { isIPv6 } from 'node:net';
import { posix } from 'node:path';
import { FairleadError } from '../errors.ts';
import { etcdEndpointsMax, etcdPrefixBytesMax, pathBytesMax } from '../limits.ts';
import { etcdPrefixDefault } from './etcd/store.ts';
import type { EtcdEndpoint } from './etcd/transport.ts';

/** An etcd and our place in it. Files are named, not read. */
export interface EtcdUrl {
  readonly engine: 'etcd';
  readonly endpoints: readonly EtcdEndpoint[];
  /** Begins and ends with a slash. */
  readonly prefix: string;
  /** Speaks TLS; without `ca` the system's authorities are trusted. */
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
  /** A password does not belong on a command line: it is in a file. */
  readonly login?: { readonly user: string; readonly passwordFile: string };
}

/** Every kind of store that a text can name. */
export type StoreUrl = EtcdUrl;

const portDefault = 2_379;
const example = 'etcd://10.0.0.1:2379,10.0.0.2:2379/fairlead';
const parameterNames = ['ca', 'cert', 'key', 'user', 'password-file'] as const;
type Parameters = Partial<Record<(typeof parameterNames)[number], string>>;

/**
 * Reads the URL of a store.
 * @throws USAGE
 */
export function parseStoreUrl(text: string): StoreUrl {
  const match = /^(etcds?):\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/.exec(text);
  if (match === null) throw refused(text, `write it like ${example}`);
  const [, scheme, hosts = '', path = '', query] = match;
  const endpoints = parseEndpoints(hosts.split(','), text);
  const parameters = parseParameters(query, text);
  const prefix = parsePrefix(path, text);
  const login = parseLogin(parameters, text);
  const url = { engine: 'etcd', endpoints, prefix, ...(login && { login }) } as const;
  if (scheme === 'etcds') return { ...url, tls: parseTls(parameters, text) };
  const useless = (['ca', 'cert', 'key'] as const).find((name) => parameters[name] !== undefined);
  if (useless !== undefined) throw refused(text, `${useless} needs etcds:// (TLS)`);
  return url;
}

/**
 * Reads the value of Contiv's `--etcd-endpoints`: `http://a:2379,http://b:2379`.
 * @throws USAGE
 */
export function fromContivEndpoints(text: string): StoreUrl {
  const parts = text.split(',').map((part) => {
    const match = /^(https?):\/\/([^/?#]*)\/?$/.exec(part);
    if (match === null) {
      throw refused(text, 'write endpoints like http://10.0.0.1:2379, separated by commas');
    }
    return { isSecure: match[1] === 'https', host: match[2] ?? '' };
  });
  const isSecure = parts.some((part) => part.isSecure);
  if (parts.some((part) => part.isSecure !== isSecure)) {
    throw refused(text, 'endpoints are all http or all https');
  }
  const hosts = parts.map((part) => part.host);
  const url = {
    engine: 'etcd',
    endpoints: parseEndpoints(hosts, text),
    prefix: etcdPrefixDefault,
  } as const;
  return isSecure ? { ...url, tls: {} } : url;
}

function parseEndpoints(hosts: readonly string[], text: string): readonly EtcdEndpoint[] {
  if (hosts.length > etcdEndpointsMax) {
    throw refused(text, `at most ${etcdEndpointsMax} endpoints`);
  }
  const endpoints = hosts.map((host) => parseEndpoint(host, text));
  const names = new Set(endpoints.map(({ host, port }) => `${host} ${port}`));
  if (names.size < endpoints.length) throw refused(text, 'an endpoint is named twice');
  return endpoints;
}

function parseEndpoint(part: string, text: string): EtcdEndpoint {
  if (part.includes('@')) {
    throw refused(text, 'a login is given as ?user=NAME&password-file=PATH');
  }
  const [, address, name, portText] =
    /^(?:\[([^\]]*)\]|([^[\]:]*))(?::([0-9]+))?$/.exec(part) ?? [];
  const host = address ?? name;
  const isHost =
    address === undefined
      ? /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/.test(name ?? '')
      : isIPv6(address);
  if (host === undefined || !isHost) {
    throw refused(text, `"${part}" is not host:port; an IPv6 address is in brackets`);
  }
  if (portText === undefined) return { host, port: portDefault };
  const port = /^[1-9][0-9]{0,4}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) throw refused(text, `"${portText}" is not a port`);
  return { host, port };
}

function parsePrefix(path: string, text: string): string {
  if (path === '' || path === '/') return etcdPrefixDefault;
  const prefix = path.endsWith('/') ? path : `${path}/`;
  if (!/^\/[A-Za-z0-9._/-]+$/.test(prefix) || posix.normalize(prefix) !== prefix) {
    throw refused(text, `the prefix "${path}" has more than letters, digits, "." "_" "-" and "/"`);
  }
  if (prefix.length > etcdPrefixBytesMax) {
    throw refused(text, `a prefix has at most ${etcdPrefixBytesMax} characters`);
  }
  return prefix;
}

function parseParameters(query: string | undefined, text: string): Parameters {
  const found: Parameters = {};
  for (const part of query?.split('&') ?? []) {
    const equals = part.indexOf('=');
    const name = parameterNames.find((each) => each === part.slice(0, Math.max(0, equals)));
    if (name === undefined) {
      throw refused(text, `"${part}" is none of ${parameterNames.join('=, ')}=`);
    }
    if (found[name] !== undefined) throw refused(text, `${name} is given twice`);
    found[name] = decode(part.slice(equals + 1), text);
  }
  return found;
}

function parseTls(parameters: Parameters, text: string): NonNullable<EtcdUrl['tls']> {
  const { ca, cert, key } = parameters;
  if ((cert === undefined) !== (key === undefined)) {
    throw refused(text, 'cert and key belong together');
  }
  return {
    ...(ca === undefined ? {} : { caFile: parseFile('ca', ca, text) }),
    ...(cert === undefined ? {} : { certFile: parseFile('cert', cert, text) }),
    ...(key === undefined ? {} : { keyFile: parseFile('key', key, text) }),
  };
}

function parseLogin(parameters: Parameters, text: string): EtcdUrl['login'] {
  const { user, 'password-file': file } = parameters;
  if ((user === undefined) !== (file === undefined)) {
    throw refused(text, 'user and password-file belong together');
  }
  if (user === undefined || file === undefined) return undefined;
  if (user === '') throw refused(text, 'the user has no name');
  return { user, passwordFile: parseFile('password-file', file, text) };
}

function parseFile(name: string, path: string, text: string): string {
  const fits = path.startsWith('/') && !/\p{Cc}/u.test(path);
  if (!fits || Buffer.byteLength(path) > pathBytesMax) {
    throw refused(text, `${name} is the absolute path of a file`);
  }
  return path;
}

function decode(part: string, text: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw refused(text, `"${part}" is not well encoded`);
  }
}

function refused(text: string, why: string): FairleadError {
  return new FairleadError('USAGE', `the store ${JSON.stringify(text)} is not understood: ${why}`);
}
