import { describeStore } from '../../conformance/store.ts';
import { openForSuite } from './harness.ts';

describeStore('the LevelDB engine', openForSuite);
