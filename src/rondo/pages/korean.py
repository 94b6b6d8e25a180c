"""The Korean catalogue, by the English text."""

from __future__ import annotations

from collections.abc import Mapping

KOREAN: Mapping[str, str] = {
    # the frame
    "Skip to content": "본문으로 건너뛰기",
    "The loop": "루프",
    "as of": "기준 시각",
    "This page on the command line": "명령줄에서 이 페이지 보기",
    "Copy": "복사",
    "Copied": "복사됨",
    "Address": "주소",
    "Save as one file": "파일 하나로 저장",
    "Monday": "월요일",
    "Tuesday": "화요일",
    "Wednesday": "수요일",
    "Thursday": "목요일",
    "Friday": "금요일",
    "Saturday": "토요일",
    "Sunday": "일요일",
    "{minutes} min {seconds} s": "{minutes}분 {seconds}초",
    "{seconds} s": "{seconds}초",
    # how things stand
    "{name} is held back": "{name} 보류 중",
    "{n} tables are held back": "테이블 {n}개 보류 중",
    "A step did not work": "한 단계가 실패했습니다",
    "Nothing has been loaded yet": "아직 적재된 데이터가 없습니다",
    "The data is ready": "데이터가 준비되었습니다",
    "{version} did not pass its gate": "{version}이(가) 게이트를 통과하지 못했습니다",
    "{version} is undecided at its gate": "{version}의 게이트 판정이 미정입니다",
    "{version} is ready, nothing is in production": "{version} 준비됨, 운영 중인 버전 없음",
    "{version} is at work, and due to be trained again": "{version} 운영 중, 다시 학습할 때입니다",
    "{version} is at work, nothing is waiting": "{version} 운영 중, 대기 중인 일 없음",
    "{version} has given {n} answers": "{version}이(가) 지금까지 {n}건에 답했습니다",
    "; its {metric} in the last window measured is {value} {interval} over {rows} outcomes": (
        ". 최근 측정 구간의 {metric}은(는) 결과 {rows}건에서 {value} {interval}입니다"
    ),
    "Round {n}": "{n}회차",
    "one reason to go back to A": "A로 돌아갈 이유 1건",
    "nothing in production": "운영 중인 버전 없음",
    "in production since {day}": "{day}부터 운영 중",
    # stages
    "The loop, stage by stage": "단계별 루프",
    (
        "The further out a note sits, the more recently its stage changed: hour, day, week, month, older. "
        "Shape and colour give its state."
    ): (
        "음표가 바깥쪽에 있을수록 최근에 바뀐 단계입니다: "
        "한 시간, 하루, 한 주, 한 달, 그 이전. 상태는 모양과 색으로 나타냅니다."
    ),
    "data": "데이터",
    "development": "개발",
    "deployment": "배포",
    "sources": "소스",
    "tables": "테이블",
    "dataset": "데이터셋",
    "model": "모델",
    "gate": "게이트",
    "monitoring": "모니터링",
    "none declared": "선언된 것 없음",
    "not built yet": "아직 만들지 않음",
    "{n} ready": "{n}개 준비됨",
    "{n} ready, {held} held back": "{n}개 준비됨, {held}개 보류",
    "{n} checks": "검사 {n}개",
    ", {n} failing": ", {n}개 실패",
    "{n} rows": "{n}행",
    "not frozen yet": "아직 고정되지 않음",
    "{n} examples": "예제 {n}개",
    "{n} features, as known when asked": "피처 {n}개, 질문 시점에 알려진 값",
    "not trained yet": "아직 학습하지 않음",
    "{n} candidates": "후보 {n}개",
    "{version} trained": "{version} 학습됨",
    "no requirements": "요구사항 없음",
    "not held yet": "아직 판정하지 않음",
    "{version}: {passed} of {asked} passed": "{version}: {asked}개 중 {passed}개 통과",
    "{version} in production": "{version} 운영 중",
    "{n} answers": "답변 {n}건",
    ", 99 of 100 within {ms} ms": ", 100건 중 99건이 {ms} ms 이내",
    "not measured yet": "아직 측정하지 않음",
    "{n} windows measured": "측정 구간 {n}개",
    "{n} windows out of bounds": "한계를 벗어난 구간 {n}개",
    "{n} outcomes": "결과 {n}건",
    # next
    "Next": "다음 할 일",
    "The one action that helps most now, from the plan and the gate.": (
        "계획과 게이트로 보아 지금 가장 도움이 되는 한 가지입니다."
    ),
    "{about} is held at its last good version: a check said no.": (
        "{about}은(는) 검사에 걸려 마지막 정상 버전에 머물러 있습니다."
    ),
    "{about} could not be built.": "{about}을(를) 만들지 못했습니다.",
    "A definition that {about} stands on has changed: train it again.": (
        "{about}이(가) 기대는 정의가 바뀌었습니다. 다시 학습하세요."
    ),
    "New data has come for {about}: its policy says to train it again.": (
        "{about}에 새 데이터가 들어왔습니다. 정책에 따라 다시 학습할 때입니다."
    ),
    "{about} does not meet a requirement: see which, then mend the model or change the document.": (
        "{about}이(가) 요구사항을 충족하지 못합니다. 어느 항목인지 보고 모델을 고치거나 문서를 바꾸세요."
    ),
    "{about} is undecided on a requirement: a person may answer for it.": (
        "{about}의 요구사항 하나가 미정입니다. 담당자가 서명할 수 있습니다."
    ),
    "{about} passed its gate and is not at work.": "{about}이(가) 게이트를 통과했지만 아직 운영되지 않습니다.",
    "Nothing is waiting.": "대기 중인 일이 없습니다.",
    # tables
    "Tables": "테이블",
    "What was loaded and built, in the order of the loop, and what its checks said.": (
        "루프 순서대로, 적재하고 만든 것과 그 검사 결과입니다."
    ),
    "name": "이름",
    "version": "버전",
    "rows": "행",
    "checks": "검사",
    "built": "생성",
    "took": "소요",
    "state": "상태",
    "source": "소스",
    "held back": "보류",
    "passed": "통과",
    "{n} rows set aside": "{n}행 격리",
    "{n} checks failing": "검사 {n}개 실패",
    "Declare where rows come from in {file}.": "데이터가 어디에서 오는지 {file}에 선언하세요.",
    # versions
    "Versions": "버전",
    (
        "Each training that was kept, held against its own test rows. "
        "The interval says how far the number can be trusted."
    ): ("남겨 둔 학습 결과를 각자의 테스트 행으로 평가했습니다. 구간은 그 수치를 어디까지 믿을 수 있는지 말해 줍니다."),
    "trained": "학습",
    "exported": "내보냄",
    "key made or revoked": "키 발급 또는 폐기",
    "used by a caller": "호출자 사용",
    "forgotten": "삭제",
    "why": "이유",
    "trainer": "학습기",
    "95 % interval": "95 % 구간",
    "role": "역할",
    "stale": "정의 변경",
    "due": "새 데이터",
    "new": "처음",
    "production": "운영",
    "canary": "카나리",
    "shadow": "섀도",
    "failed": "실패",
    "undecided": "미정",
    "unexamined": "검토 안 됨",
    "not applicable": "해당 없음",
    "Examples of the newest dataset:": "최신 데이터셋의 예제:",
    "train": "학습",
    "validation": "검증",
    "test": "테스트",
    "Nothing has been trained yet.": "아직 학습한 것이 없습니다.",
    "Other models of this project:": "이 프로젝트의 다른 모델:",
    # requirements
    "Requirements": "요구사항",
    (
        "The lines that a version must meet before it goes to work: "
        "passed only when the whole interval is on the allowed side."
    ): "버전이 운영에 들어가기 전에 충족해야 하는 항목입니다. 구간 전체가 허용 쪽에 있어야 통과입니다.",
    "requirement": "요구사항",
    "95 % bounds": "95 % 한계",
    "against its limit (allowed side shaded)": "기준선과 비교 (음영이 허용 쪽)",
    "{value}, limit {limit}": "{value}, 기준 {limit}",
    "signed by {who}": "{who} 서명",
    "No version has been held against requirements. They stand in {file}.": (
        "요구사항으로 판정한 버전이 없습니다. 요구사항은 {file}에 있습니다."
    ),
    # live
    "Live": "운영",
    (
        "What the answers came to, a window at a time, once their outcomes were known. "
        "Only windows whose outcomes are all in are counted."
    ): "결과가 알려진 뒤 구간별로 답변이 얼마나 맞았는지 보여 줍니다. 결과가 모두 들어온 구간만 셉니다.",
    "{metric} of {model} a window, with its 95 % interval": "구간별 {model}의 {metric}, 95 % 구간 포함",
    "Below: the version that was at work.": "아래: 그때 운영 중이던 버전.",
    "required {limit}": "요구 {limit}",
    "The numbers": "수치",
    "from": "부터",
    "to": "까지",
    "answers": "답변",
    "outcomes": "결과",
    "No window has been measured yet: outcomes come in with time.": (
        "아직 측정한 구간이 없습니다. 결과는 시간이 지나며 들어옵니다."
    ),
    # changes
    "What changed lately": "최근 변경",
    "Loop": "루프",
    "Changes": "변경",
    "From the ledger, newest first.": "원장에서, 최신순.",
    "declared": "선언됨",
    "checked": "검사됨",
    "profiled": "프로파일됨",
    "frozen": "고정됨",
    "outcomes landed": "결과 적재",
    "published online": "온라인 게시",
    "examples examined": "예제 점검",
    "candidate tried": "후보 시도",
    "evaluated": "평가",
    "compared": "비교",
    "explained": "설명",
    "held against its requirements": "요구사항 판정",
    "rehearsed": "리허설",
    "tried on logged requests": "기록된 요청에 시험",
    "deployed": "배포",
    "predictions landed": "예측 적재",
    "measured": "측정",
    "alert raised or changed": "알림 발생 또는 변경",
    "alert sent on": "알림 전달",
    "silenced": "알림 중지",
    "incident worked on": "인시던트 처리",
    "decided": "결정",
    "signed": "서명",
    "run": "실행",
    "retraining considered": "재학습 검토",
    "replayed": "리플레이",
    "data asked for": "데이터 요청",
    "Nothing has happened yet.": "아직 아무 일도 없었습니다.",
}
