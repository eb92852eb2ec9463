/** The project as the virtual machine sees it: what git has, what was built, and the packages that tests need. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runOk } from '../lab/run.ts';
import { makeDisk } from './base.ts';

const project = join(import.meta.dirname, '../..');
const diskSize = '3G';
/** Large packages that no test of the data plane uses. */
const leftOut =
  /^(@oxlint|@oxfmt|oxlint|oxfmt|oxlint-tsgolint|typescript|@typescript|deno|@deno|bun|@oven)/;

/** Makes the disk; the caller removes the file. */
export async function projectDisk(): Promise<string> {
  if (!existsSync(join(project, 'dist/fairlead'))) {
    throw new Error('there is no dist/fairlead: npm run build');
  }
  const work = mkdtempSync(join(tmpdir(), 'fairlead-vm-project-'));
  const content = join(work, 'content');
  try {
    const list = await runOk(['git', '-C', project, 'ls-files', '-co', '--exclude-standard']);
    for (const file of [...list.split('\n').filter(Boolean), 'dist/fairlead']) {
      if (!existsSync(join(project, file))) continue;
      mkdirSync(dirname(join(content, file)), { recursive: true });
      cpSync(join(project, file), join(content, file));
    }
    const packages = realpathSync(join(project, 'node_modules'));
    for (const name of readdirSync(packages)) {
      if (leftOut.test(name)) continue;
      cpSync(join(packages, name), join(content, 'node_modules', name), {
        recursive: true,
        verbatimSymlinks: true,
      });
    }
    const disk = join(work, 'project.img');
    await makeDisk(content, disk, diskSize);
    return disk;
  } finally {
    rmSync(content, { recursive: true, force: true });
  }
}
