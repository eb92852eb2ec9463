/**
 * Joining with a token. The other side is asked who it is before it is told anything: the authority with the
 * pinned key must be among those that it shows, and that authority must have signed the certificate whose
 * key TLS has proved. Only then the secret leaves this host.
 */
import { z } from 'zod';
import type { Clock } from '../../clock.ts';
import { FairleadError, hasCode } from '../../errors.ts';
import { joinAnswerMs, joinFileBytesMax, joinRetryMs, peerHandshakeMs } from '../../limits.ts';
import { formatAddress } from './address.ts';
import type { KeyPair } from './authority.ts';
import { malformed } from './bytes.ts';
import { findPinned, verifyMember } from './certificate.ts';
import { FrameSocket } from './frame-socket.ts';
import { frameTypes, type Frame } from './frame.ts';
import { decodeRefusal } from './hello.ts';
import { checkGrant, joinGrantShape, type Joined } from './join-grant.ts';
import { makeCertificateRequest, sealJoinRequest } from './join-request.ts';
import { decodeJson, encodeJson } from './json.ts';
import { connectSecure, shownCertificate, type PeerAddress } from './secure.ts';
import type { JoinToken } from './token.ts';

/** What joining takes. */
export interface JoinOptions {
  readonly token: JoinToken;
  /** The key of the new member. The same key again asks for the same membership. */
  readonly keys: KeyPair;
  /** What membership is to know of this host. JSON. */
  readonly facts: unknown;
  readonly clock: Clock;
  /** How long addresses are tried that do not answer or are busy. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const offerShape = z.object({ authorities: z.array(z.string().max(8_192)).max(8) });

/**
 * Asks to be let in, at each address in turn.
 * @throws TOKEN_PIN, TOKEN_EXPIRED, TOKEN_USED, TOKEN_UNKNOWN, CLUSTER_OTHER and what else the cluster
 *   answers; PEER_UNREACHABLE, BUSY, QUORUM_LOST … when none could answer in time; the signal's reason
 */
export async function requestJoin(options: JoinOptions): Promise<Joined> {
  const { clock, signal, timeoutMs, token } = options;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  let last: FairleadError | undefined;
  for (let attempt = 0; last === undefined || clock.monotonicMs() < deadlineMs; attempt += 1) {
    const isRoundOver = attempt > 0 && attempt % token.addresses.length === 0;
    if (isRoundOver) await clock.sleep(joinRetryMs, signal);
    const address = token.addresses[attempt % token.addresses.length];
    if (address === undefined) break;
    try {
      return await joinAt(address, options);
    } catch (thrown) {
      if (!isPassing(thrown)) throw thrown;
      last = thrown;
    }
  }
  throw last ?? new FairleadError('TOKEN_INVALID', 'the join token has no addresses');
}

/** Whether another address, or the same a little later, may do better. */
function isPassing(thrown: unknown): thrown is FairleadError {
  return (
    hasCode(thrown, 'PEER_UNREACHABLE') ||
    hasCode(thrown, 'BUSY') ||
    hasCode(thrown, 'STARTING') ||
    hasCode(thrown, 'STOPPING') ||
    hasCode(thrown, 'DEADLINE') ||
    hasCode(thrown, 'STORE_OUTCOME_UNKNOWN') ||
    hasCode(thrown, 'QUORUM_LOST')
  );
}

async function joinAt(address: PeerAddress, options: JoinOptions): Promise<Joined> {
  const { token, keys, facts, clock, signal } = options;
  const socket = await connectSecure(address, { credentials: undefined, clock, signal });
  const frames = new FrameSocket(socket, clock, joinFileBytesMax);
  const settled = new AbortController();
  const abort = () => frames.close(new FairleadError('STOPPING', 'joining was given up'));
  signal.addEventListener('abort', abort, { signal: settled.signal });
  clock.sleep(peerHandshakeMs + joinAnswerMs, settled.signal).then(
    () => frames.close(silent(address)),
    () => undefined,
  );
  try {
    const offer = decodeJson(offerShape, expectFrame(await frames.next(), 'joinOffer'));
    const shown = verifyShown(shownCertificate(socket), offer.authorities, token);
    const request = sealJoinRequest(makeCertificateRequest(keys, facts), token.secret, shown);
    frames.send(frameTypes.joinRequest, encodeJson(request));
    const answer = expectFrame(await frames.next(), 'joinAnswer');
    const { publicKey } = keys;
    const { clusterId, pin } = token;
    return checkGrant(decodeJson(joinGrantShape, answer), { publicKey, clusterId, pin });
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    settled.abort();
    frames.close(silent(address));
  }
}

/** The certificate that TLS has shown, if the pinned authority has signed it. */
function verifyShown(
  shown: Uint8Array | undefined,
  offered: readonly string[],
  { pin, clusterId }: JoinToken,
): Uint8Array {
  const authority = findPinned(offered, pin);
  if (shown === undefined) throw malformed('no certificate');
  verifyMember(shown, { clusterId, authorities: [authority], enforceDates: false }, 0);
  return shown;
}

function expectFrame({ type, payload }: Frame, wanted: 'joinOffer' | 'joinAnswer'): Buffer {
  if (type === frameTypes.refused) throw decodeRefusal(payload);
  if (type !== frameTypes[wanted]) throw malformed(`a frame of type ${type}`);
  return payload;
}

function silent(address: PeerAddress): FairleadError {
  const where = formatAddress(address);
  return new FairleadError('PEER_UNREACHABLE', `${where} has not answered in time`);
}
