/**
 * What etcd's refusals mean for us: which error of ours each is, and whether it is certain that nothing
 * was done, so that the same may be asked again. Texts and codes are those of etcd's `rpctypes`; what is
 * not known counts as "may have been done".
 */
import { FairleadError, type ErrorCode } from '../../errors.ts';
import { errorSchema } from './schemas.ts';

/** Whether asking twice can do harm. */
export type RequestKind = 'read' | 'write';

/** What to make of a refusal. */
export interface Verdict {
  readonly error: FairleadError;
  /** Nothing was done, and it may go better at another endpoint or a moment later. */
  readonly tryAgain: boolean;
  /** The token is no longer good: log in again, then repeat. */
  readonly logInAgain?: true;
}

/** Numbers of gRPC's status codes. */
const grpc = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  failedPrecondition: 9,
  unimplemented: 12,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

const membersBack = 'bring members of etcd back (etcdctl endpoint status)';

/** Refusals by their words: certain that nothing was done. */
const byWords: readonly (readonly [
  RegExp,
  { readonly code: ErrorCode; readonly fix?: string; readonly tryAgain?: true },
])[] = [
  [/requested lease not found/, { code: 'LEASE_UNKNOWN' }],
  [
    /database space exceeded/,
    {
      code: 'STORE_NO_SPACE',
      fix: 'compact and defragment etcd or raise its quota, then etcdctl alarm disarm',
    },
  ],
  [/required revision (?:has been compacted|is a future revision)/, { code: 'STORE_COMPACTED' }],
  [/request is too large|too many operations/, { code: 'STORE_LIMIT' }],
  [/too many requests/, { code: 'BUSY', tryAgain: true }],
  [/no leader$/, { code: 'QUORUM_LOST', fix: membersBack, tryAgain: true }],
  [
    /authentication is not enabled/,
    { code: 'STORE_DENIED', fix: 'enable authentication in etcd, or give no credentials' },
  ],
  [/permission denied|authentication failed|user name is empty/, { code: 'STORE_DENIED' }],
];

/** What an answer other than 200 says. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

/** The error of ours that a refusal is, and whether to try again. */
export function judgeRefusal(refusal: Refusal, kind: RequestKind): Verdict {
  const { code, words } = readRefusal(refusal);
  const facts = { detail: { status: refusal.status, code, etcd: words } };
  if (code === grpc.unauthenticated || /revision of auth store is old/.test(words)) {
    const error = new FairleadError('STORE_DENIED', `etcd refuses the login: ${words}`, facts);
    return { error, tryAgain: false, logInAgain: true };
  }
  for (const [pattern, known] of byWords) {
    if (!pattern.test(words)) continue;
    const fix = known.fix === undefined ? {} : { fix: known.fix };
    const error = new FairleadError(known.code, `etcd refuses: ${words}`, { ...facts, ...fix });
    return { error, tryAgain: known.tryAgain ?? false };
  }
  if (code === grpc.dataLoss) {
    const fix = 'repair etcd: its members hold different data (etcdctl alarm list)';
    const error = new FairleadError('STORE_DAMAGED', `etcd is damaged: ${words}`, {
      ...facts,
      fix,
    });
    return { error, tryAgain: false };
  }
  if (/timed out|deadline exceeded|leader changed|proposal dropped/.test(words)) {
    // etcd gave up waiting; a write may still come through later
    const error = new FairleadError('QUORUM_LOST', `etcd has no majority: ${words}`, {
      fix: membersBack,
      detail: { ...facts.detail, mayLand: kind === 'write' },
    });
    return { error, tryAgain: kind === 'read' };
  }
  return judgeUnknown({ code, words, kind, detail: facts.detail });
}

function judgeUnknown(refusal: {
  readonly code: number | undefined;
  readonly words: string;
  readonly kind: RequestKind;
  readonly detail: object;
}): Verdict {
  const { code, words, kind, detail } = refusal;
  const harmless: readonly (number | undefined)[] = [
    grpc.invalidArgument,
    grpc.notFound,
    grpc.permissionDenied,
    grpc.failedPrecondition,
    grpc.unimplemented,
  ];
  if (kind === 'write' && !harmless.includes(code)) {
    const error = new FairleadError('STORE_OUTCOME_UNKNOWN', `etcd failed: ${words}`, { detail });
    return { error, tryAgain: false };
  }
  if (code === grpc.unavailable) {
    const error = new FairleadError('STORE_UNREACHABLE', `etcd is unavailable: ${words}`, {
      detail,
    });
    return { error, tryAgain: true };
  }
  const error = new FairleadError('ETCD_PROTOCOL', `etcd refuses: ${words}`, { detail });
  return { error, tryAgain: false };
}

/** The code and words of a refusal; a proxy in front of etcd may answer anything. */
function readRefusal({ status, text }: Refusal): { code: number | undefined; words: string } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = errorSchema.safeParse(json);
  if (!parsed.success) {
    const start = text.trim().slice(0, 200);
    return { code: undefined, words: `status ${status} ${JSON.stringify(start)}` };
  }
  const { code, message, error } = parsed.data;
  return { code, words: message ?? error ?? `code ${code}` };
}
