/**
 * The one image that containers of a lab run: the static busybox and a link for each of its applets.
 * Made from what is installed; no registry is asked.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync } from 'node:fs';
import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { commandPath } from './packages.ts';
import { runOk } from './run.ts';

/** Name of the image. */
export const imageName = 'fairlead/box';

/** The image as a tar file in `directory`, made at the first call. */
export async function imageFile(directory: string): Promise<string> {
  const file = join(directory, 'box.tar');
  if (existsSync(file)) return file;
  const busybox = commandPath('busybox');
  if (busybox === undefined) throw new Error('no busybox: install busybox-static');
  const work = mkdtempSync(join(directory, 'box-'));
  try {
    const root = join(work, 'root');
    for (const name of ['bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root', 'var']) {
      mkdirSync(join(root, name), { recursive: true });
    }
    chmodSync(join(root, 'tmp'), 0o1777);
    copyFileSync(busybox, join(root, 'bin/busybox'));
    const applets = (await runOk([busybox, '--list'])).split('\n').map((name) => basename(name));
    for (const applet of applets) {
      // busybox lists itself
      if (applet !== '' && applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    }
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
    const made = join(work, 'box.tar');
    await runOk(['tar', '--create', `--file=${made}`, `--directory=${root}`, '.']);
    renameSync(made, file);
    return file;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
