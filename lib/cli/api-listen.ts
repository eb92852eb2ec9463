/** How `fairlead agent` is told to serve its API by TCP, too: with TLS and a token, or plainly when asked for. */
import { FairleadError } from '../errors.ts';
import { kindOf, parseAddress as parseIp } from '../ip/ip.ts';
import { parseAddress } from '../store/peer/address.ts';
import type { OptionTable } from './option.ts';
import { readOneOf, readPath, type Reading } from './reading.ts';

/** Where to listen. */
export interface TcpPlace {
  readonly host: string;
  readonly port: number;
}

/** The options. */
export interface ApiListenOptions {
  readonly apiListen?: TcpPlace;
  /** PEM files. */
  readonly apiCertificate?: string;
  readonly apiKey?: string;
  readonly apiTokenFile?: string;
  /** Without TLS and token, for those on this host or for whoever comes. */
  readonly apiInsecure?: 'loopback' | 'anywhere';
}

/** The rows of the options. */
export const apiListenTable: OptionTable<ApiListenOptions> = {
  apiListen: {
    flag: 'api-listen',
    placeholder: 'HOST:PORT',
    summary: 'serve the API by TCP, too (Contiv: 127.0.0.1:9999)',
    defaultShown: 'none, the socket only',
    defaultText: undefined,
    read: readPlace,
  },
  apiCertificate: {
    flag: 'api-cert',
    placeholder: 'PATH',
    summary: 'certificate for --api-listen, PEM',
    defaultShown: 'none',
    defaultText: undefined,
    read: readPath,
  },
  apiKey: {
    flag: 'api-key',
    placeholder: 'PATH',
    summary: 'its private key, PEM',
    defaultShown: 'none',
    defaultText: undefined,
    read: readPath,
  },
  apiTokenFile: {
    flag: 'api-token-file',
    placeholder: 'PATH',
    summary: 'file with the token that callers of --api-listen send',
    defaultShown: 'none',
    defaultText: undefined,
    read: readPath,
  },
  apiInsecure: {
    flag: 'api-insecure',
    placeholder: 'WHO',
    summary: "Contiv's REST only, without TLS and token: for loopback or anywhere",
    defaultShown: 'none',
    defaultText: undefined,
    read: readOneOf(['loopback', 'anywhere']),
  },
};

function readPlace(text: string): Reading<TcpPlace> {
  try {
    return { value: parseAddress(text) };
  } catch {
    return { mustBe: 'HOST:PORT, such as 127.0.0.1:9999 or [::1]:9999' };
  }
}

/**
 * Checks that the options fit together.
 * @throws USAGE
 */
export function checkApiListen(options: ApiListenOptions): void {
  const { apiListen, apiInsecure, apiCertificate, apiKey, apiTokenFile } = options;
  const secured = [apiCertificate, apiKey, apiTokenFile].filter((path) => path !== undefined);
  if (apiListen === undefined) {
    if (secured.length === 0 && apiInsecure === undefined) return;
    throw wrong('options for --api-listen without it', 'add --api-listen HOST:PORT');
  }
  if (apiInsecure === undefined) {
    if (secured.length === 3) return;
    const fix = 'give --api-cert, --api-key and --api-token-file, or --api-insecure loopback';
    throw wrong('--api-listen without TLS and token', fix);
  }
  if (secured.length > 0) {
    throw wrong('--api-insecure with TLS or token', 'must be one of them');
  }
  if (apiInsecure === 'loopback' && !isLoopback(apiListen.host)) {
    const fix = 'listen at 127.0.0.1 or [::1], or say --api-insecure anywhere';
    throw wrong(`--api-insecure loopback, and --api-listen at ${apiListen.host}`, fix);
  }
}

/** `localhost` may be anything, but never is. */
function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  try {
    return kindOf(parseIp(host)) === 'loopback';
  } catch {
    return false;
  }
}

const wrong = (message: string, fix: string): FairleadError =>
  new FairleadError('USAGE', message, { fix });
