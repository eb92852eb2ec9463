/** Boots the virtual machine with a command and sees how it ends. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Base } from './base.ts';

/** What to run, and on what. */
export interface Boot {
  readonly base: Base;
  /** Disk of the project. */
  readonly project: string;
  /** For the shell, in the project's folder. */
  readonly command: string;
  readonly timeoutMs: number;
  /** Gets each line that the machine says. */
  readonly say: (line: string) => void;
}

const memoryMb = 6_144;
const commandBytes = 64 * 1024;
/** Emulated without help of the processor: the machine's own may not be able to. Page tables of five levels are
 *  walked in software, and nothing here needs the fifth. */
const cpu = ['-cpu', 'max,la57=off', '-smp', '2'];
const machine = ['-machine', 'q35', '-accel', 'tcg,thread=multi', ...cpu];
const console = ['-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'];

/** Boots, runs the command and gives its exit code; 124 when it did not end in time, 125 for another end. */
export async function boot({ base, project, command, timeoutMs, say }: Boot): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), 'fairlead-vm-run-'));
  try {
    const commandDisk = join(work, 'command.img');
    const text = Buffer.alloc(commandBytes);
    if (Buffer.byteLength(command) > commandBytes) throw new Error('the command is too long');
    text.write(command);
    writeFileSync(commandDisk, text);
    const disks = [base.disk, project, commandDisk].flatMap((file) => [
      '-drive',
      `file=${file},if=virtio,format=raw`,
    ]);
    const kernel = ['-kernel', base.kernel, '-initrd', base.initrd];
    const words = 'console=ttyS0 panic=-1 quiet apparmor=0 mitigations=off';
    return await runMachine(
      // nothing is written to the disks themselves
      [
        ...machine,
        ...console,
        '-m',
        String(memoryMb),
        '-snapshot',
        ...disks,
        ...kernel,
        '-append',
        words,
      ],
      { timeoutMs, say },
    );
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function runMachine(
  words: readonly string[],
  { timeoutMs, say }: Pick<Boot, 'timeoutMs' | 'say'>,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-system-x86_64', words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let rest = '';
    let code = 125;
    const timer = setTimeout(() => {
      code = 124;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const ended = /^vm: the command ended with (\d+)\r?$/.exec(line)?.[1];
        if (ended === undefined) say(line.replace(/\r$/, ''));
        else code = Number(ended);
      }
    });
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      if (rest !== '') say(rest);
      resolve(code);
    });
  });
}
