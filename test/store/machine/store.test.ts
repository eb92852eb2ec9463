import { describeStore } from '../../conformance/store.ts';
import { openMachineStore } from './machine-store.ts';

describeStore('The state machine alone', openMachineStore);
