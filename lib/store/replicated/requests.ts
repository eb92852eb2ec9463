/**
 * What members ask each other and wait for: to submit a command, for an index to read at, to keep a
 * lease, and for facts to show. Asking and answering stand side by side, so that both ends agree.
 */
import { z } from 'zod';
import { unreachable } from '../../assert.ts';
import { FairleadError, isErrorCode } from '../../errors.ts';
import { peerRequestMs, transferWaitMs } from '../../limits.ts';
import type {
  ChangeOutcome,
  DriverFace,
  LeaseOutcome,
  Outcome,
  ReadOutcome,
} from '../driver/ports.ts';
import type { MemberFacts as AnnouncedFacts } from '../membership/members.ts';
import { memberSchema } from '../membership/rows.ts';
import { decodeProposal } from '../machine/proposal.ts';
import type { RangeRequest, RangeResult } from '../port.ts';
import type { MemberId } from '../raft/entry.ts';

/** How a request is sent: resolves with the answer as parsed JSON. */
export type SendRequest = (
  to: MemberId,
  request: unknown,
  options: { readonly timeoutMs: number },
) => Promise<unknown>;

const memberId = z.string().regex(/^[0-9a-f]{16}$/);
const index = z.number().int().nonnegative();
const refusal = z.enum([
  'notLeader',
  'busy',
  'transferring',
  'notReady',
  'changePending',
  'changeInvalid',
  'targetInvalid',
]);
const refused = z.strictObject({
  kind: z.literal('refused'),
  why: refusal,
  leader: memberId.optional(),
});

/** Fields that are absent do not change. */
const announcedSchema = memberSchema
  .pick({
    version: true,
    addresses: true,
    featureLevel: true,
    certificateEndsAtMs: true,
    certificatePin: true,
  })
  .partial();

const requestSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('submit'), proposal: z.string() }),
  z.strictObject({ kind: z.literal('readIndex') }),
  z.strictObject({ kind: z.literal('keepLease'), lease: z.string().max(20) }),
  z.strictObject({ kind: z.literal('facts') }),
  z.strictObject({ kind: z.literal('members') }),
  z.strictObject({
    kind: z.literal('systemRange'),
    range: z.strictObject({
      start: z.string(),
      end: z.string().exactOptional(),
      limit: z.number().exactOptional(),
    }),
  }),
  z.strictObject({ kind: z.literal('announce'), facts: announcedSchema }),
  z.strictObject({ kind: z.literal('transfer'), to: memberId }),
  z.strictObject({ kind: z.literal('authorityKey') }),
  z.strictObject({ kind: z.literal('certificate'), publicKey: z.string().max(4_096) }),
]);
/** A request. */
export type MemberRequest = z.infer<typeof requestSchema>;

const errorCode = z.string().refine(isErrorCode);
const replySchema = z.union([
  // what a transaction answers was made by our own machine, of the same version or an older one
  z.strictObject({ ok: z.literal(true), result: z.unknown().optional() }),
  z.strictObject({ ok: z.literal(false), code: errorCode, message: z.string() }),
]);
const outcomeSchema = z.union([
  z.strictObject({ kind: z.literal('reply'), reply: replySchema, index }),
  refused,
  z.strictObject({ kind: z.literal('unknown') }),
]);
const readSchema = z.union([z.strictObject({ kind: z.literal('index'), index }), refused]);
const leaseSchema = z.union([
  z.strictObject({ kind: z.literal('kept'), ttlMs: z.number().positive() }),
  z.strictObject({ kind: z.literal('unknownLease') }),
  refused,
]);
const keySchema = z.strictObject({ key: z.string().max(256) });
const changeSchema = z.union([
  z.strictObject({ kind: z.literal('done') }),
  refused,
  z.strictObject({ kind: z.literal('unknown') }),
]);
const toldSchema = z.object({
  members: z.array(memberSchema),
  /** PEM, newest first. */
  authorities: z.array(z.string().max(8_192)),
  featureLevel: z.number().int().positive(),
});
/** What a member without rows is told of the cluster. */
export type ToldOfCluster = z.infer<typeof toldSchema>;
const rowsSchema = z.object({
  revision: index,
  rows: z.array(
    z.object({
      key: z.string(),
      value: z.string(),
      createRevision: index,
      modRevision: index,
      version: index,
    }),
  ),
  more: z.boolean(),
});
const nothingSchema = z.object({});
const certificateSchema = z.strictObject({ certificate: z.string().max(8_192) });

/** What a member says of itself when asked. */
export const factsSchema = z.strictObject({
  version: z.string(),
  applied: index,
  persisted: index,
  revision: index,
  diskFreeBytes: z.number().optional(),
  storeBytes: z.number().optional(),
  stallMs: z.number(),
});
/** What a member says of itself. */
export type MemberFacts = z.infer<typeof factsSchema>;

/** The asking side. All reject with PEER_UNREACHABLE when nothing was sent. */
export interface MemberRequests {
  submit(to: MemberId, proposal: string, options: { readonly timeoutMs: number }): Promise<Outcome>;
  readIndex(to: MemberId): Promise<ReadOutcome>;
  keepLease(to: MemberId, lease: string): Promise<LeaseOutcome>;
  facts(to: MemberId): Promise<MemberFacts>;
  /** Asks the leader to hand leadership over. @throws CLUSTER_CHANGE when it refuses */
  transfer(to: MemberId, heir: MemberId): Promise<void>;
  /** Members and authorities; for a witness, which has no rows of its own. */
  members(to: MemberId): Promise<ToldOfCluster>;
  /** The cluster's own rows, linearizable; likewise. */
  systemRange(to: MemberId, range: RangeRequest): Promise<RangeResult>;
  /** What this member says of itself in its row; likewise. */
  announce(to: MemberId, facts: AnnouncedFacts): Promise<void>;
  /** The key that the authority's key is sealed under; voters only. */
  authorityKey(to: MemberId): Promise<string>;
  /** A certificate for a new key of this member, PEM. */
  certificate(to: MemberId, publicKey: string): Promise<string>;
}

/** Requests by a way to send them. */
export function memberRequests(send: SendRequest): MemberRequests {
  const ask = async <T>(
    to: MemberId,
    request: MemberRequest,
    schema: z.ZodType<T>,
    timeoutMs: number = peerRequestMs,
  ): Promise<T> => {
    const parsed = schema.safeParse(await send(to, request, { timeoutMs }));
    if (parsed.success) return parsed.data;
    throw new FairleadError('PEER_PROTOCOL', `member ${to} gave an answer that makes no sense`, {
      cause: parsed.error,
    });
  };
  return {
    submit: async (to, proposal, { timeoutMs }) =>
      (await ask(to, { kind: 'submit', proposal }, outcomeSchema, timeoutMs)) as Outcome,
    readIndex: async (to) => (await ask(to, { kind: 'readIndex' }, readSchema)) as ReadOutcome,
    keepLease: async (to, lease) =>
      (await ask(to, { kind: 'keepLease', lease }, leaseSchema)) as LeaseOutcome,
    facts: (to) => ask(to, { kind: 'facts' }, factsSchema),
    async transfer(to, heir) {
      const outcome = await ask(to, { kind: 'transfer', to: heir }, changeSchema, transferWaitMs);
      if (outcome.kind !== 'refused') return;
      throw new FairleadError('CLUSTER_CHANGE', `leadership was not handed over: ${outcome.why}`);
    },
    members: (to) => ask(to, { kind: 'members' }, toldSchema),
    systemRange: (to, { start, end, limit }) => {
      const rest = {
        ...(end === undefined ? {} : { end }),
        ...(limit === undefined ? {} : { limit }),
      };
      return ask(to, { kind: 'systemRange', range: { start, ...rest } }, rowsSchema);
    },
    announce: async (to, facts) => void (await ask(to, { kind: 'announce', facts }, nothingSchema)),
    authorityKey: async (to) => (await ask(to, { kind: 'authorityKey' }, keySchema)).key,
    certificate: async (to, publicKey) =>
      (await ask(to, { kind: 'certificate', publicKey }, certificateSchema)).certificate,
  };
}

/** What the answering side draws on. */
export interface RequestAnswers {
  readonly driver: DriverFace;
  facts(): Promise<MemberFacts>;
  members(): ToldOfCluster;
  systemRange(range: RangeRequest): Promise<RangeResult>;
  announce(from: MemberId, facts: AnnouncedFacts): Promise<void>;
  /** Refuses with PEER_REFUSED for a member that is no voter. */
  authorityKey(from: MemberId): Promise<string>;
  certificate(from: MemberId, publicKey: string): Promise<string>;
}

/**
 * Answers a request of another member.
 * @throws PEER_PROTOCOL for what is no request
 */
export async function answerRequest(
  from: MemberId,
  request: unknown,
  answers: RequestAnswers,
): Promise<unknown> {
  const parsed = requestSchema.safeParse(request);
  if (!parsed.success) {
    throw new FairleadError('PEER_PROTOCOL', `member ${from} asked something unknown`, {
      cause: parsed.error,
    });
  }
  const { driver } = answers;
  const asked = parsed.data;
  switch (asked.kind) {
    case 'submit': {
      const proposal = decodeProposal(asked.proposal);
      return new Promise<Outcome>((resolve) => driver.submit(proposal, resolve));
    }
    case 'readIndex':
      return new Promise<ReadOutcome>((resolve) => driver.confirmRead(resolve));
    case 'keepLease':
      return new Promise<LeaseOutcome>((resolve) => driver.keepLease(asked.lease, resolve));
    case 'facts':
      return answers.facts();
    case 'transfer':
      return new Promise<ChangeOutcome>((resolve) => driver.transfer(asked.to, resolve));
    case 'members':
      return answers.members();
    case 'systemRange':
      return answers.systemRange(asked.range);
    case 'announce':
      await answers.announce(from, asked.facts as AnnouncedFacts);
      return {};
    case 'authorityKey':
      return { key: await answers.authorityKey(from) };
    case 'certificate':
      return { certificate: await answers.certificate(from, asked.publicKey) };
    default:
      return unreachable(asked);
  }
}
