/** Programs of the host that are asked for something: started, given their input, waited for, with a bound. */
import { execFile } from 'node:child_process';
import { programAnswerBytesMax, programRunMs } from '../../limits.ts';

/** What became of a program. */
export interface ProgramEnd {
  /** 0 for a success; undefined when it was ended for taking too long. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program; undefined when there is none of this name. */
export type RunProgram = (
  command: readonly [string, ...string[]],
  input?: string,
) => Promise<ProgramEnd | undefined>;

/** Where packet filters' programs are, also for an agent whose PATH is a user's. */
const moreFolders = '/usr/local/sbin:/usr/sbin:/sbin';

/** Runs a program of this host. */
export const runProgram: RunProgram = ([file, ...args], input = '') => {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${moreFolders}`, LC_ALL: 'C' };
  const options = { env, timeout: programRunMs, maxBuffer: programAnswerBytesMax };
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, options, (error, stdout, stderr) => {
      if (error === null) resolve({ code: 0, stdout, stderr });
      else if (error.code === 'ENOENT') resolve(undefined);
      else if (error.code === undefined || error.code === null || typeof error.code === 'number') {
        resolve({ code: error.code ?? undefined, stdout, stderr });
      } else reject(error);
    });
    // a program that ends before it has read everything says so by its code
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
};
