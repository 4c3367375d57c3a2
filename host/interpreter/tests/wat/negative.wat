;; wants minus one replicas: the answer must be BadOutput
;; world: replicas-plugin
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "flotilla:interpreter/replicas@1.0.0#declare") (result i32) (i32.const 32))
  ;; at 128: ok(-1 replicas, nothing in particular)
  (data (i32.const 128) "\00\00\00\00\00\00\00\00\ff\ff\ff\ff\ff\ff\ff\ff\00\00\00\00")
  (func (export "flotilla:interpreter/replicas@1.0.0#interpret") (param i32 i32) (result i32) (i32.const 128)))
