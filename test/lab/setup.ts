/** Installs what the tests run, where it is missing: the first step of `npm test` on a new machine. */
import { ensurePackages } from './packages.ts';

await ensurePackages();
