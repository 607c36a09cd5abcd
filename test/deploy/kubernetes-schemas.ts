import { validate as validateDeployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as validateAutoscaler } from 'kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler';
import { validate as validateJob } from 'kubernetes-models/_schemas/IoK8sApiBatchV1Job';
import { validate as validateConfigMap } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap';
import { validate as validateNamespace } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Namespace';
import { validate as validateService } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as validateServiceAccount } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount';
import { validate as validateNetworkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as validateDisruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import type { Manifest } from './manifests.ts';

/**
 * The published schemas, compiled by ajv for the package: types, required fields, formats and enumerations.
 */
const VALIDATORS: Readonly<Record<string, Validator>> = {
  'apps/v1 Deployment': validateDeployment,
  'autoscaling/v2 HorizontalPodAutoscaler': validateAutoscaler,
  'batch/v1 Job': validateJob,
  'v1 ConfigMap': validateConfigMap,
  'v1 Namespace': validateNamespace,
  'v1 Service': validateService,
  'v1 ServiceAccount': validateServiceAccount,
  'networking.k8s.io/v1 NetworkPolicy': validateNetworkPolicy,
  'policy/v1 PodDisruptionBudget': validateDisruptionBudget,
};

/** A validator made by ajv. `errors` belongs to its last call. */
type Validator = ((data: unknown) => boolean) & {
  errors?: readonly { instancePath: string; message?: string; keyword: string; params: unknown }[] | null;
};

/**
 * The faults of a manifest by the published schema of its kind; empty without faults.
 *
 * Like the API, the schemas allow unknown fields. `kubectl` refuses them, and so do we: a field that the
 * schema's validator never reads is not in the schema.
 */
export function faultsBySchema(manifest: Manifest): string[] {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const validate = VALIDATORS[kind];
  if (validate === undefined) return [`${kind}: no schema for it`];
  const seen = new Set<string>();
  const isRight = validate(watched(manifest, '', seen));
  const where = `${manifest.kind} ${manifest.metadata.name}`;
  const broken = (validate.errors ?? []).map(
    ({ instancePath, keyword, params }) => `${where}: ${instancePath} ${keyword} ${JSON.stringify(params)}`,
  );
  if (!isRight) return broken;
  return pathsOf(manifest)
    .filter((path) => !seen.has(path))
    .map((path) => `${where}: ${path} is no field`);
}

/** A proxy of `value` that records which fields are read. */
function watched(value: unknown, path: string, seen: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get: (target, name) => {
      const field: unknown = Reflect.get(target, name);
      if (typeof name !== 'string') return field;
      seen.add(`${path}/${name}`);
      return watched(field, `${path}/${name}`, seen);
    },
  });
}

function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, field]) => [
    `${path}/${name}`,
    ...pathsOf(field, `${path}/${name}`),
  ]);
}
