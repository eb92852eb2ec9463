/** Asks the person at the terminal; a secret is not shown. Answers may also come from a pipe, a line each. */
import { exitCodes, NetctlError } from './core/ending.ts';

/** What answers come from: the standard input, or any stream. */
export interface AnswerStream extends NodeJS.ReadableStream {
  readonly isTTY?: boolean;
  /** Whether its end was seen. */
  readonly readableEnded?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

/** Asks, one question at a time. */
export interface Prompter {
  askLine(question: string): Promise<string>;
  askSecret(question: string): Promise<string>;
}

/** @throws NetctlError when the input ends, or the person gives up */
export function createPrompter(
  openInput: () => AnswerStream,
  writeOut: (text: string) => void,
): Prompter {
  let rest = '';
  const line = async (input: AnswerStream): Promise<string> => {
    for (;;) {
      const end = /[\r\n]/.exec(rest)?.index ?? -1;
      if (rest.includes('\u0003')) throw new NetctlError(exitCodes.local, 'interrupted');
      if (end >= 0) {
        const found = rest.slice(0, end);
        rest = rest.slice(rest.startsWith('\r\n', end) ? end + 2 : end + 1);
        return found;
      }
      const part = await nextPart(input);
      if (part === undefined) throw new NetctlError(exitCodes.local, 'EOF');
      rest += part;
    }
  };
  return {
    askLine(question) {
      writeOut(question);
      return line(openInput());
    },
    async askSecret(question) {
      writeOut(question);
      const input = openInput();
      if (input.isTTY !== true) return line(input);
      input.setRawMode?.(true);
      try {
        return withoutErased(await line(input));
      } finally {
        input.setRawMode?.(false);
      }
    },
  };
}

/** A terminal in raw mode leaves the backspaces to us. */
function withoutErased(text: string): string {
  const kept: string[] = [];
  for (const character of text) {
    if (character === '\u007f' || character === '\b') kept.pop();
    else kept.push(character);
  }
  return kept.join('');
}

function nextPart(input: AnswerStream): Promise<string | undefined> {
  if (input.readableEnded === true) return Promise.resolve(undefined);
  input.setEncoding('utf8');
  return new Promise((resolve) => {
    const done = (part: string | undefined) => {
      input.off('data', onData);
      input.off('end', onEnd);
      input.off('error', onEnd);
      input.pause();
      resolve(part);
    };
    const onData = (part: string | Buffer) => done(String(part));
    const onEnd = () => done(undefined);
    input.on('data', onData);
    input.on('end', onEnd);
    input.on('error', onEnd);
    input.resume();
  });
}
