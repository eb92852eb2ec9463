/**
 * Proposals as the text of entries, and back. Reading is strict: a field or a command that this version
 * does not know may mean something, so the entry stops the member instead of being half understood
 * (hazard 37). Whatever is written here can be read here, so no proposer can stop a cluster.
 */
import { FairleadError } from '../../errors.ts';
import type { Proposal } from './command.ts';

/**
 * The text of a proposal.
 * @throws STORE_LIMIT for what could not be read back
 */
export function encodeProposal(proposal: Proposal): string {
  // a host may have booted before 1970
  const wallMs = Math.max(0, Math.trunc(proposal.wallMs));
  const whole: unknown = { ...proposal, wallMs };
  if (!isProposal(whole)) throw new FairleadError('STORE_LIMIT', 'this is no command');
  return JSON.stringify(whole);
}

/**
 * The proposal of a text.
 * @throws STORE_TOO_NEW
 */
export function decodeProposal(text: string): Proposal {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw tooNew(error);
  }
  if (!isProposal(parsed)) throw tooNew();
  return parsed;
}

function tooNew(cause?: unknown): FairleadError {
  return new FairleadError('STORE_TOO_NEW', 'the log has a command of a later version', { cause });
}

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

const none: readonly string[] = [];

/** Whether a value is an object with these fields and no others. */
function has(
  value: unknown,
  required: readonly string[],
  optional: readonly string[] = none,
): value is Fields {
  if (!isObject(value)) return false;
  let found = 0;
  // every command of every member comes by here, several objects each: no callbacks
  for (const name of Object.keys(value)) {
    if (required.includes(name)) found += 1;
    else if (!optional.includes(name)) return false;
  }
  return found === required.length;
}

const isText = (value: unknown): value is string => typeof value === 'string';
const isInteger = (value: unknown): boolean => Number.isSafeInteger(value);
const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;
const isOneOf =
  (...words: readonly unknown[]): Check =>
  (value) =>
    words.includes(value);
const isArrayOf = (value: unknown, check: Check): boolean =>
  Array.isArray(value) && value.every((each) => check(each));
/** An optional field may be absent, not undefined: it would be lost in the text. */
const isAbsentOr = (fields: Fields, name: string, check: Check): boolean =>
  !Object.hasOwn(fields, name) || check(fields[name]);

const isEquality = isOneOf('=', '!=');
const isOrder = isOneOf('=', '!=', '<', '>');
const isTarget = isOneOf('version', 'createRevision', 'modRevision');

function isCompare(value: unknown): boolean {
  if (!has(value, ['key', 'target', 'operator', 'value']) || !isText(value['key'])) return false;
  if (value['target'] === 'value') return isEquality(value['operator']) && isText(value['value']);
  return isTarget(value['target']) && isOrder(value['operator']) && isInteger(value['value']);
}

function isOperation(value: unknown): boolean {
  if (!isObject(value)) return false;
  switch (value['op']) {
    case 'put':
      return (
        has(value, ['op', 'key', 'value'], ['lease']) &&
        isText(value['key']) &&
        isText(value['value']) &&
        isAbsentOr(value, 'lease', isText)
      );
    case 'delete':
      return (
        has(value, ['op', 'start'], ['end']) &&
        isText(value['start']) &&
        isAbsentOr(value, 'end', isText)
      );
    case 'range':
      return (
        has(value, ['op', 'start'], ['end', 'limit']) &&
        isText(value['start']) &&
        isAbsentOr(value, 'end', isText) &&
        isAbsentOr(value, 'limit', isInteger)
      );
    default:
      return false;
  }
}

function isTxn(value: unknown): boolean {
  return (
    has(value, ['compare', 'then'], ['else']) &&
    isArrayOf(value['compare'], isCompare) &&
    isArrayOf(value['then'], isOperation) &&
    isAbsentOr(value, 'else', (branch) => isArrayOf(branch, isOperation))
  );
}

function isExpiry(value: unknown): boolean {
  return (
    has(value, ['generation', 'decidedIn']) &&
    isCount(value['generation']) &&
    isCount(value['decidedIn'])
  );
}

function isCommand(value: unknown): boolean {
  if (!isObject(value)) return false;
  switch (value['do']) {
    case 'txn':
    case 'system':
      return has(value, ['do', 'txn']) && isTxn(value['txn']);
    case 'grantLease':
      return (
        has(value, ['do', 'lease', 'ttlMs']) && isText(value['lease']) && isInteger(value['ttlMs'])
      );
    case 'revokeLease':
      return (
        has(value, ['do', 'lease'], ['expired']) &&
        isText(value['lease']) &&
        isAbsentOr(value, 'expired', isExpiry)
      );
    case 'renewLease':
      return has(value, ['do', 'lease']) && isText(value['lease']);
    case 'openSession':
    case 'closeSession':
      return has(value, ['do']);
    default:
      return false;
  }
}

const clientPattern = /^[0-9a-f]{32}$/;

function isSessionMark(value: unknown): boolean {
  if (!has(value, ['client', 'sequence', 'acknowledged'])) return false;
  const { client, sequence, acknowledged } = value;
  return (
    isText(client) &&
    clientPattern.test(client) &&
    isCount(sequence) &&
    isCount(acknowledged) &&
    acknowledged < sequence
  );
}

function isProposal(value: unknown): value is Proposal {
  if (!has(value, ['command', 'wallMs'], ['session'])) return false;
  const { command, wallMs } = value;
  if (!isCommand(command) || !isCount(wallMs)) return false;
  if (!isAbsentOr(value, 'session', isSessionMark)) return false;
  const { do: what } = command as Proposal['command'];
  const isAboutSession = what === 'openSession' || what === 'closeSession';
  return !isAboutSession || Object.hasOwn(value, 'session');
}
