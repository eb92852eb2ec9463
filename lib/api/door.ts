/**
 * The API by TCP. With TLS and a token it is the whole API; without, it is what Contiv's REST was, for its old
 * scripts, and nothing that could change the cluster or its members. A page in a browser that was led here by
 * another site is refused: such a request names its origin.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { FairleadError } from '../errors.ts';
import { apiTokenCharactersMin } from '../limits.ts';
import { listen, type Fetch, type Listener, type ListenOptions } from '../runtime/listen.ts';
import { refusal } from './contiv/answers.ts';

/** Where the door is and what it asks of callers. */
export interface DoorOptions {
  readonly apiListen?: { readonly host: string; readonly port: number };
  readonly apiCertificate?: string;
  readonly apiKey?: string;
  readonly apiTokenFile?: string;
}

/**
 * Opens the door, if there is to be one.
 * @throws USAGE for a file that cannot be used, SOCKET_FAILED
 */
export async function openDoor(
  options: DoorOptions,
  fetch: Fetch,
  around: ListenOptions,
): Promise<readonly Listener[]> {
  const { apiListen, apiCertificate, apiKey, apiTokenFile } = options;
  if (apiListen === undefined) return [];
  if (apiCertificate === undefined || apiKey === undefined || apiTokenFile === undefined) {
    return [await listen(apiListen, plainDoor(fetch), around)];
  }
  const tls = { cert: readText(apiCertificate), key: readText(apiKey) };
  const token = readToken(apiTokenFile);
  return [await listen({ ...apiListen, tls }, tokenDoor(fetch, token), around)];
}

/** Lets those in who send the token, as `X-Auth-Token` (Contiv's) or `Authorization: Bearer`. */
export function tokenDoor(fetch: Fetch, token: string): Fetch {
  const expected = digest(token);
  return (request) => {
    const { headers } = request;
    const bearer = /^Bearer (.+)$/i.exec(headers.get('authorization') ?? '')?.[1];
    const sent = headers.get('x-auth-token') ?? bearer ?? '';
    // digests have one length, so the time says nothing about the token
    if (timingSafeEqual(digest(sent), expected)) return fetch(request);
    if (loginPath.test(new URL(request.url).pathname)) return refusal(noLogin(), headers);
    const answer = refusal(new FairleadError('API_DENIED', 'token missing or wrong'), headers);
    answer.headers.set('www-authenticate', 'Bearer');
    return answer;
  };
}

/** Where Contiv's clients ask for a token, with a name and a password. */
const loginPath = /^\/api\/v1\/auth_proxy\/login\/?$/;

const noLogin = (): FairleadError =>
  new FairleadError(
    'REQUEST_UNKNOWN',
    'an agent knows no users: write its token to ~/.netctl/config.json, as {"token":"…"}',
    { fix: 'docs/netctl.md, Which server' },
  );

const plainPaths = /^\/(?:api\/v1(?:\/|$)|version\/?$|info\/?$|healthz$|readyz$)/;

/** Lets everybody in, but to Contiv's REST only. */
export function plainDoor(fetch: Fetch): Fetch {
  return (request) => {
    const { headers } = request;
    const { pathname } = new URL(request.url);
    if (headers.has('origin')) {
      const from = 'requests of web pages need --api-cert, --api-key and --api-token-file';
      return refusal(new FairleadError('API_DENIED', from), headers);
    }
    if (plainPaths.test(pathname)) return fetch(request);
    const unknown = `there is no ${request.method} ${pathname} without TLS and token`;
    return refusal(new FairleadError('REQUEST_UNKNOWN', unknown), headers);
  };
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('USAGE', `cannot read ${path}: ${why}`, { cause });
  }
}

function readToken(path: string): string {
  const token = readText(path).trim();
  const { mode } = statSync(path);
  if ((mode & 0o007) !== 0) {
    throw new FairleadError('USAGE', `${path} may be read by everybody`, {
      fix: `chmod o= ${path}`,
    });
  }
  if (token.length >= apiTokenCharactersMin && !/\s/.test(token)) return token;
  throw new FairleadError(
    'USAGE',
    `${path} holds no token: one word of at least ${apiTokenCharactersMin} characters`,
    { fix: `head -c 24 /dev/urandom | base64 > ${path}` },
  );
}
