/**
 * Answers of Contiv's REST. Contiv answered 500 to whatever went wrong, and its clients show the body of a 500
 * only; a 404 to a DELETE counts as success with them. So a client of Go that says nothing about what it
 * accepts, as Contiv's does, gets a 500; all others get the status that says what is wrong. The body is
 * the same: one line. Its code and what to do about it are in headers.
 */
import { treatmentOf, type FairleadError } from '../../errors.ts';
import { apiHeaderCharactersMax } from '../../limits.ts';
import { lengthOf } from '../length.ts';

/** JSON as Go's encoder ends it. */
export function jsonAnswer(
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const text = `${JSON.stringify(value)}\n`;
  return new Response(text, {
    headers: { 'content-type': 'application/json', ...lengthOf(text), ...headers },
  });
}

/** A refusal, for the client that asked. */
export function refusal(error: FairleadError, asked: Headers): Response {
  const { httpStatus } = treatmentOf(error.code);
  const status = isContivClient(asked) ? 500 : httpStatus;
  const retry = httpStatus === 503 ? { 'retry-after': '1' } : {};
  const text = `${lineOf(error.message)}\n`;
  return new Response(text, {
    status,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      ...lengthOf(text),
      'x-content-type-options': 'nosniff',
      'x-fairlead-code': error.code,
      ...(error.fix === undefined ? {} : { 'x-fairlead-fix': headerText(error.fix) }),
      ...retry,
    },
  });
}

/** Go's own user agent, and no word of what is accepted. */
const isContivClient = (headers: Headers): boolean =>
  (headers.get('user-agent') ?? '').startsWith('Go-http-client/') && !headers.has('accept');

/** What others put into a message, such as names, must not make two lines of it. */
const lineOf = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ');

const headerText = (text: string): string =>
  text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, apiHeaderCharactersMax);
