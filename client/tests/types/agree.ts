// The types of the package, as it is published, and those of the two documents are the same: compiling this compares them.

import type { ClientFrames, Routes, ServerFrames } from "../../types/wire.js";
import type { components, paths } from "./documents.js";

/** A type however it was put together. What is not looked into is `any` here and `unknown` there. */
type Plain<T> = unknown extends T ? unknown : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

type Same<A, B> = (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;

/** The names under which two records differ. */
type Differences<A, B> = {
  [K in keyof A | keyof B]: K extends keyof A & keyof B ? (Same<A[K], B[K]> extends true ? never : K) : K;
}[keyof A | keyof B];

/** The compiler names those that are left. */
type None<T extends never> = T;

// The routes.

type Operation<Route> = Route extends `${infer Method} ${infer Path extends keyof paths & string}`
  ? paths[Path][Lowercase<Method> & keyof paths[Path]]
  : never;
type Json<T> = T extends { content: { "application/json": infer Content } } ? Content : never;
type Answer<O> = O extends { responses: infer Responses } ? Json<Responses[keyof Responses & (200 | 201 | 202)]> : never;
type Body<O> = O extends { requestBody?: infer Content } ? Json<Content> : never;
type Query<O> = O extends { parameters: { query?: infer Parameters } } ? NonNullable<Parameters> : never;

/** What the package sends and reads of a route. It need not know every parameter. */
type Used<R> = { answer: Field<R, "answer">; body: Field<R, "body">; query: Field<R, "query"> };
type Described<O, R> = { answer: Answer<O>; body: Body<O>; query: Field<R, "query"> extends infer Q ? Known<Query<O>, Q> : never };
type Field<R, Name extends string> = R extends { [K in Name]: infer T } ? T : never;
type Known<All, Some> = [Some] extends [never] ? never : Pick<All, keyof All & keyof Some>;

export type WrongRoutes = None<
  Differences<{ [R in keyof Routes]: Used<Routes[R]> }, { [R in keyof Routes]: Described<Operation<R>, Routes[R]> }>
>;

// The frames: all that the server sends, and those that the package sends.

type Schemas = components["schemas"];
type Frames<Side extends string> = { [S in keyof Schemas as S extends `${Side}.${infer Name}` ? Name : never]: Schemas[S] };
type Failure = { platform_failure: Omit<ServerFrames["platform_failure"], "type"> };

export type WrongFramesOfTheServer = None<Differences<Omit<ServerFrames, keyof Failure> & Failure, Frames<"server">>>;
export type WrongFramesOfTheClient = None<
  Differences<ClientFrames, Pick<Frames<"client">, keyof ClientFrames & keyof Frames<"client">>>
>;
