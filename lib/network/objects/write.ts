/**
 * Commands of operators: an object is made, changed or removed, each in one transaction over all that it
 * touches, or refused with nothing changed. Pure.
 */
import { unreachable } from '../../assert.ts';
import type { Config } from '../../model/objects/kind.ts';
import { isMadeKind } from '../../model/objects/kinds.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import { invalid } from '../../model/objects/read-config.ts';
import type { Plan } from '../../store/plan.ts';
import { planRemoveNetwork } from './network-removal.ts';
import { planPutNetwork } from './networks.ts';
import {
  typed,
  unknownObject,
  type Condition,
  type PutAnswer,
  type RemoveAnswer,
} from './object-rows.ts';
import { planPutPlain, planRemovePlain } from './plain.ts';
import { planPutSettings, planRemoveSettings } from './settings.ts';
import { planPutTenant, planRemoveTenant } from './tenants.ts';

/**
 * Makes an object with a configuration from `readConfig`, or makes the one there is what that says; what it does not say
 * has its default. Plan and run it until it
 * answers `done`; nothing is seen to change before. `attempt` counts those of this command that others came before.
 * Refuses with OBJECT_INVALID, OBJECT_FIXED, OBJECT_CONFLICT, OBJECT_IN_USE, REFERENCE_UNKNOWN, OBJECT_CHANGED,
 * SITE_LIMIT, and what subnets and addresses are refused with.
 */
export function planPutObject(
  name: ObjectName,
  config: Config,
  condition: Condition = {},
  attempt = 0,
): Plan<PutAnswer> {
  if (!isMadeKind(name.kind)) throw invalid('Invalid object type');
  switch (name.kind) {
    case 'tenant':
      return planPutTenant(name, typed(name.kind, config), condition, attempt);
    case 'network':
      return planPutNetwork(name, typed(name.kind, config), condition, attempt);
    case 'global':
      return planPutSettings(name, typed(name.kind, config), condition);
    case 'endpointGroup':
    case 'policy':
    case 'rule':
    case 'netprofile':
    case 'appProfile':
    case 'extContractsGroup':
    case 'serviceLB':
    case 'aciGw':
    case 'Bgp':
      return planPutPlain(name, config, condition, attempt);
    default:
      return unreachable(name.kind);
  }
}

/**
 * Removes an object. Plan and run it until it answers `done`; nothing is seen to change before. Refuses with
 * OBJECT_UNKNOWN, OBJECT_IN_USE and OBJECT_CHANGED.
 */
export function planRemoveObject(name: ObjectName, condition: Condition = {}): Plan<RemoveAnswer> {
  if (!isMadeKind(name.kind)) throw unknownObject(name);
  switch (name.kind) {
    case 'tenant':
      return planRemoveTenant(name, condition);
    case 'network':
      return planRemoveNetwork(name, condition);
    case 'global':
      return planRemoveSettings(name, condition);
    case 'endpointGroup':
    case 'policy':
    case 'rule':
    case 'netprofile':
    case 'appProfile':
    case 'extContractsGroup':
    case 'serviceLB':
    case 'aciGw':
    case 'Bgp':
      return planRemovePlain(name, condition);
    default:
      return unreachable(name.kind);
  }
}
