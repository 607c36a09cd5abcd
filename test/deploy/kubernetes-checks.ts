import type { Variable } from '../../runtime/config/variable.ts';
import { VARIABLES } from '../../runtime/config/variables.ts';
import type { Container, Labels, Manifest, PodSpec } from './manifests.ts';

/** The content of the Secret, which is created by hand as the README says. */
const SECRET = 'keymill-stores';

/** Checks that a schema cannot do: whether the objects fit each other and our programs. */
export function faultsAmong(manifests: readonly Manifest[]): string[] {
  const workloads = manifests.filter(({ spec }) => spec?.template !== undefined);
  return [
    ...manifests
      .filter(({ kind }) => kind === 'Secret')
      .map(({ metadata }) => `${metadata.name}: a secret in a file`),
    ...workloads.flatMap((workload) => faultsOfWorkload(workload, manifests)),
    ...manifests.flatMap((manifest) => faultsOfSelectors(manifest, workloads)),
    ...manifests.flatMap((manifest) => faultsOfPorts(manifest, workloads)),
    ...manifests.flatMap((manifest) => faultsOfScaling(manifest, manifests)),
  ];
}

/** The environment of a container, with example values for the fields of the pod. */
export function environmentOf(
  container: Container,
  manifests: readonly Manifest[],
): Record<string, string | undefined> {
  const maps = (container.envFrom ?? []).map(({ configMapRef }) =>
    manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef?.name),
  );
  const own = (container.env ?? []).map(({ name, value }) => [
    name,
    value ?? (name.endsWith('_HOST') ? '10.1.2.3' : 'pod-1'),
  ]);
  return { ...Object.assign({}, ...maps.map((map) => map?.data)), ...Object.fromEntries(own) } as Record<
    string,
    string
  >;
}

function faultsOfWorkload({ kind, metadata, spec }: Manifest, manifests: readonly Manifest[]): string[] {
  const { name } = metadata;
  const pod = spec?.template?.spec;
  const podLabels = spec?.template?.metadata.labels ?? {};
  if (pod === undefined) return [`${name}: no pods`];
  const exists = (wanted: string, called: string | undefined): boolean =>
    manifests.some(({ kind: other, metadata: { name: its } }) => other === wanted && its === called);
  const faults = [];
  if (kind === 'Deployment' && !selects(spec?.selector?.matchLabels, podLabels)) {
    faults.push(`${name}: its selector does not select its own pods`);
  }
  if (!exists('ServiceAccount', pod.serviceAccountName)) faults.push(`${name}: no such service account`);
  for (const { labelSelector } of pod.topologySpreadConstraints ?? []) {
    if (!selects(labelSelector.matchLabels, podLabels)) faults.push(`${name}: spreads the pods of another`);
  }
  for (const container of pod.containers) {
    const maps = (container.envFrom ?? []).map(({ configMapRef }) => configMapRef?.name);
    faults.push(
      ...maps.filter((map) => !exists('ConfigMap', map)).map((map) => `${name}: no ConfigMap ${map}`),
      ...faultsOfVariables(container, pod, manifests).map((fault) => `${name}: ${fault}`),
      ...faultsOfSecurity(container, pod).map((fault) => `${name}: ${fault}`),
      ...faultsOfProbes(container).map((fault) => `${name}: ${fault}`),
    );
  }
  return faults;
}

/** Finds variables that do not exist, secrets outside files, and files that are not mounted. */
function faultsOfVariables(container: Container, pod: PodSpec, manifests: readonly Manifest[]): string[] {
  const files = mountedFiles(container, pod);
  const faults = [];
  for (const [variable, value] of Object.entries(environmentOf(container, manifests))) {
    const name = variable.replace(/^KEYMILL_/, '').replace(/_FILE$/, '');
    const known = (VARIABLES as Record<string, Variable>)[name];
    const isFile = variable.endsWith('_FILE');
    if (!variable.startsWith('KEYMILL_') || known === undefined) faults.push(`${variable}: no such variable`);
    else if (isFile !== (known.secret === true))
      faults.push(`${variable}: ${isFile ? 'not read from files' : 'a secret in a file of the repository'}`);
    else if (isFile && !files.includes(value ?? '')) faults.push(`${variable}: ${value} is not mounted`);
  }
  return faults;
}

function mountedFiles(container: Container, pod: PodSpec): string[] {
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const secret = pod.volumes?.find((volume) => volume.name === name)?.secret;
    if (secret?.secretName !== SECRET) return [];
    return secret.items.map(({ path }) => `${mountPath}/${path}`);
  });
}

function faultsOfSecurity(container: Container, pod: PodSpec): string[] {
  const { runAsNonRoot, seccompProfile } = pod.securityContext ?? {};
  const { readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities } = container.securityContext ?? {};
  const faults = [];
  if (runAsNonRoot !== true) faults.push('may run as root');
  if ((seccompProfile as Labels | undefined)?.['type'] !== 'RuntimeDefault')
    faults.push('no seccomp profile');
  if (readOnlyRootFilesystem !== true) faults.push('a writable root');
  if (allowPrivilegeEscalation !== false) faults.push('may gain privileges');
  if (!capabilities?.drop?.includes('ALL')) faults.push('keeps capabilities');
  if (container.resources?.limits?.['memory'] === undefined) faults.push('no memory limit');
  if (container.resources?.requests?.['cpu'] === undefined) faults.push('requests no CPU');
  return faults;
}

function faultsOfProbes({ startupProbe, livenessProbe, readinessProbe, ports = [] }: Container): string[] {
  const probes = [startupProbe, livenessProbe, readinessProbe].filter((probe) => probe !== undefined);
  return probes.flatMap(({ httpGet: { path, port } }) => {
    const faults = [];
    if (!ports.some(({ name }) => name === port))
      faults.push(`a probe of port ${port}, which does not exist`);
    if (!['/livez', '/readyz'].includes(path)) faults.push(`a probe of ${path}, which nothing answers`);
    return faults;
  });
}

function faultsOfSelectors({ kind, metadata, spec }: Manifest, workloads: readonly Manifest[]): string[] {
  const selector = {
    Service: () => spec?.selector as Labels | undefined,
    PodDisruptionBudget: () => spec?.selector?.matchLabels,
    NetworkPolicy: () => spec?.podSelector?.matchLabels,
  }[kind];
  if (selector === undefined) return [];
  return podsOf(selector(), workloads).length > 0 ? [] : [`${kind} ${metadata.name}: selects no pods`];
}

/** Finds named ports that the selected pods do not have. */
function faultsOfPorts({ kind, metadata, spec }: Manifest, workloads: readonly Manifest[]): string[] {
  const named =
    kind === 'Service'
      ? (spec?.ports ?? []).map(({ targetPort }) => targetPort)
      : kind === 'NetworkPolicy'
        ? [...(spec?.ingress ?? []), ...(spec?.egress ?? [])].flatMap(({ ports = [] }) =>
            ports.map(({ port }) => port),
          )
        : [];
  const selector =
    kind === 'Service' ? (spec?.selector as Labels | undefined) : spec?.podSelector?.matchLabels;
  const known = podsOf(selector, workloads)
    .flatMap(({ spec: its }) => its?.template?.spec.containers ?? [])
    .flatMap(({ ports = [] }) => ports.map(({ name }) => name));
  return named
    .filter((port) => typeof port === 'string' && !known.includes(port))
    .map((port) => `${kind} ${metadata.name}: no port ${port}`);
}

function faultsOfScaling({ kind, metadata, spec }: Manifest, manifests: readonly Manifest[]): string[] {
  if (kind !== 'HorizontalPodAutoscaler') return [];
  const target = spec?.scaleTargetRef;
  const isThere = manifests.some(
    (other) => other.kind === target?.kind && other.metadata.name === target.name,
  );
  return isThere ? [] : [`${metadata.name}: scales ${target?.name}, which does not exist`];
}

function podsOf(selector: Labels | undefined, workloads: readonly Manifest[]): Manifest[] {
  return workloads.filter(({ spec }) => selects(selector, spec?.template?.metadata.labels ?? {}));
}

function selects(selector: Labels | undefined, labels: Labels): boolean {
  const wanted = Object.entries(selector ?? {});
  return wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
}
