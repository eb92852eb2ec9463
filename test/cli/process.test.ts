/** The program as a process on each runtime. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { version } from '../../lib/version.ts';

const root = join(import.meta.dirname, '../..');

interface Ended {
  readonly exitCode: number;
  readonly out: string;
  readonly error: string;
}

function start(command: readonly string[], args: readonly string[]): Promise<Ended> {
  const [program = '', ...before] = command;
  return new Promise((resolve, reject) => {
    execFile(
      join(root, 'node_modules/.bin', program),
      [...before, join(root, 'agent.ts'), ...args],
      { env: { ...process.env, NO_COLOR: '1' }, timeout: 20_000 },
      (failure, out, error) => {
        const exitCode = failure === null ? 0 : failure.code;
        if (typeof exitCode === 'number') resolve({ exitCode, out, error });
        else reject(new Error(`${program} did not end by itself: ${error}`, { cause: failure }));
      },
    );
  });
}

describe.each([
  ['node', ['node']],
  ['bun', ['bun']],
  ['deno', ['deno', 'run', '-A', '--no-lock']],
])('on %s', (name, command) => {
  test('version and help are answered, with exit code 0', async () => {
    const { exitCode, out, error } = await start(command, ['version']);
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' });
    expect(out).toMatch(new RegExp(`^fairlead ${RegExp.escape(version)} \\(${name} [0-9.]+\\)\n$`));
    const help = await start(command, ['agent', '--help']);
    expect(help).toMatchObject({ exitCode: 0, error: '' });
    expect(help.out).toMatch(/^Usage: fairlead agent/);
  });

  test('netctl is its first word', async () => {
    const { exitCode, out, error } = await start(command, ['netctl', 'tenant', 'ls', '-z']);
    expect({ exitCode, out: out.split('\n', 1) }).toEqual({
      exitCode: 1,
      out: ['Incorrect Usage.'],
    });
    expect(error).toMatch(/^time="[^"]+" level=error msg="flag provided but not defined: -z"\n$/);
  });

  test('a wrong value is one line and exit code 2', async () => {
    expect(await start(command, ['agent', '--mtu', '12x'])).toEqual({
      exitCode: 2,
      out: '',
      error: 'error: --mtu "12x" (USAGE): must be a whole number from 68 to 65535\n',
    });
  });
});
