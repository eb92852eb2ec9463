/**
 * How two members agree to talk. Who dialled says HELLO; the other judges it and answers with its own HELLO
 * or a refusal; who dialled judges that, and accepts or refuses. (With TLS 1.3 a client's handshake is
 * finished before the server has looked at its certificate, so only these words mean "accepted".)
 *
 * A refusal is believed only from a member whose certificate we have verified: otherwise whoever answers at
 * an address could tell a member that it was removed.
 */
import { FairleadError } from '../../errors.ts';
import { malformed } from './bytes.ts';
import type { MemberCertificate } from './certificate.ts';
import type { FrameSocket } from './frame-socket.ts';
import { frameTypes, type Frame } from './frame.ts';
import {
  decodeHello,
  decodeRefusal,
  encodeHello,
  encodeRefusal,
  judgeHello,
  type Hello,
  type HelloFacts,
} from './hello.ts';

/** What a handshake needs. */
export interface HandshakeOptions {
  readonly frames: FrameSocket;
  readonly own: HelloFacts;
  /** Of this process. */
  readonly run: string;
  /** The verified certificate of the other side, or why it is refused. */
  readonly certificate: MemberCertificate | FairleadError;
  /** Decides by membership; undefined lets it in. Also asked of a member of a later epoch than ours. */
  readonly judge: (hello: Hello) => FairleadError | undefined;
}

/** What came of it. With 'refused' the other side does not want us, and its word counts. */
export type Introduction =
  | { readonly kind: 'accepted'; readonly hello: Hello; readonly certificate: MemberCertificate }
  | { readonly kind: 'refused'; readonly by: 'us' | 'other'; readonly error: FairleadError };

/**
 * The side that dialled. The certificate is verified already.
 * @throws PEER_PROTOCOL, PEER_UNREACHABLE
 */
export async function introduceToListener(options: HandshakeOptions): Promise<Introduction> {
  const { frames, own, run } = options;
  frames.send(frameTypes.hello, encodeHello(own, run));
  const answer = await frames.next();
  if (answer.type === frameTypes.refused) return refusedByOther(decodeRefusal(answer.payload));
  const introduction = judge(readHello(answer), options);
  if (introduction.kind === 'accepted') frames.send(frameTypes.accept);
  return introduction;
}

/**
 * The side that was dialled.
 * @throws PEER_PROTOCOL, PEER_UNREACHABLE
 */
export async function introduceToDialer(options: HandshakeOptions): Promise<Introduction> {
  const { frames, own, run } = options;
  const introduction = judge(readHello(await frames.next()), options);
  if (introduction.kind === 'refused' && introduction.by === 'us') return introduction;
  frames.send(frameTypes.hello, encodeHello(own, run));
  if (introduction.kind === 'refused') {
    // we are left behind; the other sees that from our HELLO
    frames.finish(introduction.error);
    return introduction;
  }
  const answer = await frames.next();
  if (answer.type === frameTypes.refused) return refusedByOther(decodeRefusal(answer.payload));
  if (answer.type !== frameTypes.accept) throw malformed(`a frame of type ${answer.type}`);
  return introduction;
}

function readHello({ type, payload }: Frame): Hello {
  if (type !== frameTypes.hello) throw malformed(`a frame of type ${type} in place of a HELLO`);
  return decodeHello(payload);
}

/** Judges, and tells the other side when it is refused. */
function judge(hello: Hello, options: HandshakeOptions): Introduction {
  const { frames, own, certificate } = options;
  const error = judgeHello(own, hello) ?? judgeName(hello, certificate);
  if (error !== undefined || certificate instanceof FairleadError) {
    return refuse(frames, error ?? malformed('a certificate'));
  }
  const refusal = options.judge(hello);
  if (hello.epoch <= own.epoch) {
    return refusal === undefined
      ? { kind: 'accepted', hello, certificate }
      : refuse(frames, refusal);
  }
  // of a later epoch: a member that we know is believed, and nobody is judged by what we knew in ours
  return refusal === undefined
    ? refusedByOther(leftBehind(own, hello))
    : refuse(frames, new FairleadError('PEER_REFUSED', leftBehind(own, hello).message));
}

function judgeName(
  hello: Hello,
  certificate: MemberCertificate | FairleadError,
): FairleadError | undefined {
  if (certificate instanceof FairleadError) return certificate;
  if (hello.memberId === certificate.memberId) return undefined;
  return new FairleadError(
    'PEER_CERTIFICATE',
    `a host says that it is member ${hello.memberId} with the certificate of ${certificate.memberId}`,
  );
}

function refuse(frames: FrameSocket, error: FairleadError): Introduction {
  frames.send(frameTypes.refused, encodeRefusal(error));
  frames.finish(error);
  return { kind: 'refused', by: 'us', error };
}

function refusedByOther(error: FairleadError): Introduction {
  return { kind: 'refused', by: 'other', error };
}

/** The other is of a later epoch: what it would tell us. */
function leftBehind(own: HelloFacts, other: Hello): FairleadError {
  return new FairleadError(
    'CLUSTER_EPOCH',
    `the cluster was recovered without this host: it is in epoch ${other.epoch}, this host in ${own.epoch}`,
  );
}
