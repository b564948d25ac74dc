import { readFileSync } from 'node:fs'
import { fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf'
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt'
import { Status } from 'nice-grpc-common'
import {
  ServerReflectionDefinition,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
} from '../gen/grpc/reflection/v1/reflection.ts'
import { bind } from './bind.ts'
import type { BoundService } from './bound-service.ts'

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>

/** What `npm run generate` compiled of proto/. */
const descriptors = new URL('../gen/descriptors.json', import.meta.url)

/** gRPC's reflection protocol: what is served here, for a person with a tool. */
export function reflectionService(names: readonly string[]): BoundService {
  let index: DescriptorIndex | undefined
  async function* serverReflectionInfo(
    _ctx: unknown,
    requests: AsyncIterable<ServerReflectionRequest>,
  ) {
    for await (const request of requests) {
      index ??= readDescriptors()
      const messageResponse = answerTo(request, names, index)
      yield { validHost: request.host, originalRequest: request, messageResponse }
    }
  }
  return bind(
    ServerReflectionDefinition,
    {},
    { serverReflectionInfo },
    {
      callers: { serverReflectionInfo: ['operator'] },
      acrossAccounts: ['serverReflectionInfo'],
    },
  )
}

function answerTo(
  { messageRequest: asked }: ServerReflectionRequest,
  names: readonly string[],
  { byName, bySymbol }: DescriptorIndex,
): Answer {
  switch (asked?.$case) {
    case 'listServices':
      return {
        $case: 'listServicesResponse',
        listServicesResponse: { service: names.map((name) => ({ name })) },
      }
    case 'fileByFilename':
      return filesOf(byName.get(asked.fileByFilename), byName)
    case 'fileContainingSymbol':
      return filesOf(bySymbol.get(asked.fileContainingSymbol), byName)
    default:
      return failed(Status.UNIMPLEMENTED, 'There are no extensions here')
  }
}

const failed = (errorCode: number, errorMessage: string): Answer => ({
  $case: 'errorResponse',
  errorResponse: { errorCode, errorMessage },
})

/** A file and all that it imports, itself first. */
function filesOf(file: FileDescriptorProto | undefined, byName: DescriptorIndex['byName']): Answer {
  if (!file) return failed(Status.NOT_FOUND, 'There is no such file or symbol here')
  const all = new Set([file])
  for (const { dependency } of all)
    for (const name of dependency) if (byName.has(name)) all.add(byName.get(name)!)
  const fileDescriptorProto = [...all].map((each) => toBinary(FileDescriptorProtoSchema, each))
  return { $case: 'fileDescriptorResponse', fileDescriptorResponse: { fileDescriptorProto } }
}

interface DescriptorIndex {
  byName: Map<string, FileDescriptorProto>
  /** By the full name of a service, method, message or enum. */
  bySymbol: Map<string, FileDescriptorProto>
}

function readDescriptors(): DescriptorIndex {
  const json = JSON.parse(readFileSync(descriptors, 'utf8')) as JsonValue
  // buf adds a field of its own.
  const ignoreUnknown = { ignoreUnknownFields: true }
  const { file: files } = fromJson(FileDescriptorSetSchema, json, ignoreUnknown)
  const byName = new Map(files.map((file) => [file.name, file]))
  const bySymbol = new Map(
    files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file] as const)),
  )
  return { byName, bySymbol }
}

interface Scope {
  name: string
  nestedType?: Scope[]
  enumType?: { name: string }[]
}

function symbolsOf(file: FileDescriptorProto): string[] {
  const within = (scope: string, { name, nestedType = [], enumType = [] }: Scope): string[] => {
    const full = `${scope}.${name}`
    return [
      full,
      ...nestedType.flatMap((type) => within(full, type)),
      ...enumType.map((type) => `${full}.${type.name}`),
    ]
  }
  const top = [...file.messageType, ...file.enumType]
  const services = file.service.flatMap(({ name, method }) =>
    [name, ...method.map((each) => `${name}.${each.name}`)].map(
      (each) => `${file.package}.${each}`,
    ),
  )
  return [...top.flatMap((type) => within(file.package, type)), ...services]
}
