/**
 * The first words between two members, the same both ways, and what can be judged of them without knowing
 * who is a member: another cluster, another epoch, no protocol in common. Later versions may say more, so
 * fields that we do not know are passed over.
 */
import { z } from 'zod';
import { FairleadError, isErrorCode } from '../../errors.ts';
import { hostNameCharactersMax, peerRefusalCharactersMax } from '../../limits.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import type { Position } from '../raft/entry.ts';
import { decodeJson, encodeJson } from './json.ts';
import { longIdText, memberIdText, placeShape, wholeNumber } from './shapes.ts';

/** The protocols that this program speaks: frames, messages and calls. */
const peerProtocolMin = 1;
const peerProtocolMax = 1;

/** What a member tells of itself when it connects. */
export interface HelloFacts extends StoreIdentity {
  /** Version of the program. */
  readonly version: string;
  /** Name of the host, for people. */
  readonly host: string;
  /** Where its log and state stand. */
  readonly position: {
    readonly term: number;
    readonly last: Position;
    readonly applied: number;
  };
}

/** A member's first words. */
export interface Hello extends HelloFacts {
  readonly protocolMin: number;
  readonly protocolMax: number;
  /** Random for each run of the process: tells a new connection of the same run from one of the next. */
  readonly run: string;
}

const helloShape: z.ZodType<Hello> = z.object({
  clusterId: longIdText,
  epoch: wholeNumber,
  memberId: memberIdText,
  dataId: longIdText,
  featureLevel: wholeNumber,
  version: z.string().max(64),
  host: z.string().max(hostNameCharactersMax),
  position: z.object({ term: wholeNumber, last: placeShape, applied: wholeNumber }),
  protocolMin: wholeNumber,
  protocolMax: wholeNumber,
  run: longIdText,
});

/** The payload of a HELLO. */
export function encodeHello(facts: HelloFacts, run: string): Buffer {
  const hello: Hello = {
    ...facts,
    protocolMin: peerProtocolMin,
    protocolMax: peerProtocolMax,
    run,
  };
  return encodeJson(hello);
}

/**
 * A HELLO that came.
 * @throws PEER_PROTOCOL
 */
export function decodeHello(payload: Buffer): Hello {
  return decodeJson(helloShape, payload);
}

/**
 * Why another member is refused whoever it is. A member of a later epoch than ours is not: it will refuse
 * us, and so we learn that the cluster went on without us.
 */
export function judgeHello(own: HelloFacts, other: Hello): FairleadError | undefined {
  if (other.clusterId !== own.clusterId) {
    return new FairleadError(
      'CLUSTER_OTHER',
      `this host is a member of cluster ${own.clusterId}, not of ${other.clusterId}`,
    );
  }
  if (other.protocolMax < peerProtocolMin || other.protocolMin > peerProtocolMax) {
    return new FairleadError(
      'CLUSTER_VERSION',
      `version ${own.version} speaks protocols ${peerProtocolMin} to ${peerProtocolMax}, version ${other.version} ${other.protocolMin} to ${other.protocolMax}`,
    );
  }
  if (other.epoch < own.epoch) {
    return new FairleadError(
      'CLUSTER_EPOCH',
      `the cluster was recovered: it is in epoch ${own.epoch}, host ${other.host} in ${other.epoch}`,
    );
  }
  return undefined;
}

const refusalShape = z.object({
  code: z.string(),
  message: z.string(),
  fix: z.string().exactOptional(),
});

/** An error as payload: of a refusal, or of a request that failed. Long texts are cut. */
export function encodeRefusal({ code, message, fix }: FairleadError): Buffer {
  const short = (text: string) => text.slice(0, peerRefusalCharactersMax);
  return encodeJson({
    code,
    message: short(message),
    ...(fix === undefined ? {} : { fix: short(fix) }),
  });
}

/**
 * The error in a payload. One with a code that we do not know becomes PEER_REFUSED.
 * @throws PEER_PROTOCOL
 */
export function decodeRefusal(payload: Buffer): FairleadError {
  const { code, message, fix } = decodeJson(refusalShape, payload);
  if (!isErrorCode(code)) return new FairleadError('PEER_REFUSED', `${message} (${code})`);
  return new FairleadError(code, message, fix === undefined ? {} : { fix });
}
